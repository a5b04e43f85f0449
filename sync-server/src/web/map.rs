//! A map without foreign tiles: where a rep was, in order, and where the customers are known to be. Drawn from positions
//! alone, so no other server learns of them.
//!
//! Degrees become points by an equirectangular projection around the middle of what is shown: for one person's day it is exact
//! to a few metres. What comes out holds classes for `static/charts.css`, real text and no style.

use std::fmt::Write as _;

use fieldledger_core::model::Position;

use super::chart::escaped;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const MARGIN: f64 = 46.0;
/// Metres from edge to edge at least, or one stop alone would fill the map with its accuracy.
const LEAST_METRES: f64 = 400.0;
const METRES_OF_DEGREE: f64 = 111_195.0;
/// Height of a name.
const LINE: f64 = 16.0;
/// Characters of a customer's name.
const MOST_CHARACTERS: usize = 18;

/// Somewhere the rep was.
pub(super) struct Stop {
    pub(super) position: Position,
    /// What is written into its dot.
    pub(super) number: usize,
    /// What is said of it: time and what happened.
    pub(super) title: String,
    pub(super) href: String,
    /// Outside the geofence or otherwise doubtful; a mocked position says so itself.
    pub(super) doubtful: bool,
}

/// Where a customer is known to be.
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) name: String,
    pub(super) href: String,
}

struct Projection {
    middle: (f64, f64),
    /// Metres of a degree of longitude at the middle.
    east: f64,
    /// Pixels of a metre.
    scale: f64,
}

impl Projection {
    fn around(positions: &[&Position]) -> Self {
        let bounds = |values: Vec<f64>| {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        };
        let (south, north) = bounds(positions.iter().map(|it| it.latitude).collect());
        let (west, east) = bounds(positions.iter().map(|it| it.longitude).collect());
        let middle = ((south + north) / 2.0, (west + east) / 2.0);
        // Near a pole a degree of longitude is nothing; there are no customers.
        let of_longitude = METRES_OF_DEGREE * middle.0.to_radians().cos().max(0.01);
        let tall = ((north - south) * METRES_OF_DEGREE).max(LEAST_METRES);
        let wide = ((east - west) * of_longitude).max(LEAST_METRES);
        Self {
            middle,
            east: of_longitude,
            scale: ((WIDTH - 2.0 * MARGIN) / wide).min((HEIGHT - 2.0 * MARGIN) / tall),
        }
    }

    fn place(&self, position: &Position) -> (f64, f64) {
        let x = (position.longitude - self.middle.1) * self.east * self.scale;
        let y = (position.latitude - self.middle.0) * METRES_OF_DEGREE * self.scale;
        (WIDTH / 2.0 + x, HEIGHT / 2.0 - y)
    }
}

/// The map; `None` when nobody was anywhere.
pub(super) fn draw(title: &str, description: &str, stops: &[Stop], places: &[Place]) -> Option<String> {
    if stops.is_empty() {
        return None;
    }
    let shown: Vec<&Position> = stops
        .iter()
        .map(|it| &it.position)
        .chain(places.iter().map(|it| &it.position))
        .collect();
    let projection = Projection::around(&shown);
    let mut svg = format!(
        "<svg class=\"map\" id=\"map\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"group\" aria-labelledby=\"map-title map-description\">\
         <title id=\"map-title\">{}</title><desc id=\"map-description\">{}</desc>",
        escaped(title),
        escaped(description)
    );
    let mut taken: Vec<Area> = stops
        .iter()
        .map(|it| Area::around(projection.place(&it.position), 12.0))
        .collect();
    taken.extend(
        places
            .iter()
            .map(|it| Area::around(projection.place(&it.position), 5.0)),
    );
    // Writing into a string never fails.
    for place in places {
        let (x, y) = projection.place(&place.position);
        let _ = write!(
            svg,
            "<a href=\"{}\"><title>{}</title><rect class=\"map-place\" x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\"/>",
            escaped(&place.href),
            escaped(&place.name),
            x - 5.0,
            y - 5.0,
        );
        let name = cut(&place.name);
        if let Some(area) = free_beside((x, y), width_of(&name), &taken) {
            let _ = write!(
                svg,
                "<text class=\"map-name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                area.left,
                area.bottom - 3.0,
                escaped(&name)
            );
            taken.push(area);
        }
        svg.push_str("</a>");
    }
    for stop in stops {
        let (x, y) = projection.place(&stop.position);
        if let Some(metres) = stop.position.accuracy_metres {
            let radius = (f64::from(metres) * projection.scale).min(WIDTH);
            let _ = write!(
                svg,
                "<circle class=\"map-accuracy\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"
            );
        }
    }
    svg.push_str("<polyline class=\"map-track\" points=\"");
    for stop in stops {
        let (x, y) = projection.place(&stop.position);
        let _ = write!(svg, "{x:.1},{y:.1} ");
    }
    svg.push_str("\"/>");
    for stop in stops {
        let (x, y) = projection.place(&stop.position);
        let class = match (stop.position.mocked, stop.doubtful) {
            (true, _) => "map-stop mocked",
            (false, true) => "map-stop doubtful",
            (false, false) => "map-stop",
        };
        let _ = write!(
            svg,
            "<a href=\"{}\" aria-label=\"{title}\"><title>{title}</title><circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"11\"/>\
             <text class=\"map-number\" x=\"{x:.1}\" y=\"{:.1}\">{}</text></a>",
            escaped(&stop.href),
            y + 4.5,
            stop.number,
            // Who cannot see the number on the map hears it too.
            title = escaped(&format!("{}. {}", stop.number, stop.title)),
        );
    }
    let (metres, shown) = bar(projection.scale);
    let length = metres * projection.scale;
    let (left, bottom) = (16.0, HEIGHT - 14.0);
    let _ = write!(
        svg,
        "<path class=\"map-bar\" d=\"M{left} {:.1}V{bottom}H{:.1}V{:.1}\"/>\
         <text class=\"map-name\" x=\"{:.1}\" y=\"{:.1}\">{shown}</text></svg>",
        bottom - 6.0,
        left + length,
        bottom - 6.0,
        left + 4.0,
        bottom - 8.0,
    );
    Some(svg)
}

/// A part of the picture.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn around((x, y): (f64, f64), half: f64) -> Self {
        Self {
            left: x - half,
            top: y - half,
            right: x + half,
            bottom: y + half,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn is_in_picture(&self) -> bool {
        self.left >= 0.0 && self.top >= 0.0 && self.right <= WIDTH && self.bottom <= HEIGHT
    }
}

/// Where beside a place its name hides nothing: below to the right first, then above, then to the left. `None` when there is
/// no room: then the name is read by pointing at the place.
fn free_beside((x, y): (f64, f64), width: f64, taken: &[Area]) -> Option<Area> {
    let (right, left) = (x + 9.0, x - 9.0 - width);
    let (below, above) = (y + 5.0, y - 5.0 - LINE);
    [(right, below), (right, above), (left, below), (left, above)]
        .into_iter()
        .map(|(left, top)| Area {
            left,
            top,
            right: left + width,
            bottom: top + LINE,
        })
        .find(|area| area.is_in_picture() && !taken.iter().any(|it| it.overlaps(area)))
}

/// About as wide as a name is drawn; signs of the far East are square.
fn width_of(name: &str) -> f64 {
    name.chars().map(|it| if it < '\u{1100}' { 7.0 } else { 13.0 }).sum()
}

/// A round length of about a fifth of the map.
fn bar(scale: f64) -> (f64, String) {
    let wanted = WIDTH / 5.0 / scale;
    let power = 10_f64.powf(wanted.log10().floor());
    let metres = [5.0, 2.0, 1.0]
        .into_iter()
        .map(|it| it * power)
        .find(|it| *it <= wanted)
        .unwrap_or(power);
    let shown = if metres >= 1_000.0 {
        format!("{:.0} km", metres / 1_000.0)
    } else {
        format!("{metres:.0} m")
    };
    (metres, shown)
}

fn cut(name: &str) -> String {
    if name.chars().count() <= MOST_CHARACTERS {
        name.to_owned()
    } else {
        name.chars().take(MOST_CHARACTERS - 1).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(latitude: f64, longitude: f64, accuracy: Option<u32>, mocked: bool) -> Position {
        Position::new(latitude, longitude, accuracy, mocked).unwrap()
    }

    fn stop(number: usize, position: Position, title: &str) -> Stop {
        Stop {
            position,
            number,
            title: title.to_owned(),
            href: format!("/records/{number}"),
            doubtful: number == 2,
        }
    }

    /// The numbers of an attribute, in the order of the drawing.
    fn numbers(svg: &str, attribute: &str) -> Vec<f64> {
        let attribute = format!(" {attribute}=\"");
        let parts = svg.split(&attribute).skip(1);
        parts
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect()
    }

    #[test]
    fn north_is_up_east_is_right_and_everything_lies_within_the_picture() {
        let stops = [
            stop(1, at(31.23, 121.47, None, false), "first"),
            stop(2, at(31.25, 121.47, None, false), "north of it"),
            stop(3, at(31.25, 121.50, None, true), "east of that"),
        ];
        let svg = draw("a day", "three stops", &stops, &[]).unwrap();
        let (x, y) = (numbers(&svg, "cx"), numbers(&svg, "cy"));
        assert!(y[1] < y[0] && (x[1] - x[0]).abs() < 0.2 && x[2] > x[1]);
        assert!(x.iter().all(|x| (0.0..=WIDTH).contains(x)) && y.iter().all(|y| (0.0..=HEIGHT).contains(y)));
        assert!(svg.contains("map-stop doubtful") && svg.contains("map-stop mocked"));
        assert_eq!(svg.matches("<a href=\"/records/").count(), 3);
    }

    #[test]
    fn names_hide_neither_each_other_nor_a_stop() {
        let place = |number: u32| Place {
            position: at(31.23 + f64::from(number) * 1e-5, 121.47, None, false),
            name: format!("东方超市 {number}"),
            href: format!("/customers/{number}"),
        };
        let places: Vec<Place> = (0..12).map(place).collect();
        let stops = [stop(1, at(31.23, 121.4702, None, false), "beside them")];
        let svg = draw("", "", &stops, &places).unwrap();
        let at: Vec<(f64, f64)> = svg
            .split("<text class=\"map-name\"")
            .skip(1)
            .map(|it| (numbers(it, "x")[0], numbers(it, "y")[0]))
            .collect();
        let (names, bar) = at.split_at(at.len() - 1);
        assert_eq!(bar.len(), 1);
        assert!((2..12).contains(&names.len()), "{names:?}");
        for (index, one) in names.iter().enumerate() {
            for other in &names[index + 1..] {
                let width = width_of("东方超市 1");
                assert!(
                    (one.1 - other.1).abs() >= LINE || (one.0 - other.0).abs() >= width,
                    "{one:?} and {other:?}"
                );
            }
        }
        assert_eq!(
            svg.matches("<title>东方超市").count(),
            12,
            "every name can be read by pointing at its place"
        );
    }

    #[test]
    fn an_accuracy_is_as_long_as_the_bar_says() {
        let stops = [
            stop(1, at(31.23, 121.47, Some(100), false), "100 m"),
            stop(2, at(31.2309, 121.47, None, false), "about 100 m north"),
        ];
        let svg = draw("", "", &stops, &[]).unwrap();
        let radius = numbers(&svg, "r")[0];
        let y = numbers(&svg, "cy");
        // The first circle is that of the accuracy, the next two are the stops.
        assert!((radius - (y[1] - y[2])).abs() < 1.0, "{radius} {y:?}");
    }

    #[test]
    fn one_place_the_whole_globe_and_hostile_names_are_drawn_too() {
        assert!(draw("", "", &[], &[]).is_none());
        let hostile = "<script>alert(1)</script>\"'><img src=x>\u{202e}";
        let stops = [
            stop(1, at(90.0, 180.0, Some(u32::MAX), false), hostile),
            stop(2, at(-90.0, -180.0, None, false), ""),
        ];
        let place = Place {
            position: at(0.0, 0.0, None, false),
            name: hostile.to_owned(),
            href: "/customers/1".to_owned(),
        };
        let svg = draw(hostile, hostile, &stops, &[place]).unwrap();
        assert!(!svg.contains("<script") && !svg.contains("<img") && !svg.contains("NaN") && !svg.contains("inf"));
        assert!(!svg.contains(" style=") && svg.ends_with("</svg>"));
        assert!(draw("", "", &stops[..1], &[]).is_some());
        assert_eq!(bar(1.0).1, "100 m");
        assert_eq!(bar(0.01).1, "10 km");
    }
}
