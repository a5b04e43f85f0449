//! Charts as SVG, drawn on the server: bars and lines.
//!
//! ```text
//! let chart = Chart::new("ageing", ageing_in_words, summary_in_words)
//!     .labels(vec!["0–30".into(), "31–60".into()])
//!     .series(owed_in_words, amounts)   // one value for each label
//!     .bars()?;                                      // or .lines()?
//! // in the template: {{ chart|safe }}
//! ```
//!
//! What comes out holds no style, no script and no address: only shapes and real text, escaped. Colours are attributes
//! with values from [`SERIES`] and [`INK`], which `static/charts.css` turns into those of the theme, so that a chart is as
//! readable in the dark and on paper. Screen readers are given the title and the description; a page that shows figures as
//! a chart also shows them as a table. Values are drawn with the precision of a screen; the exact ones belong in the table.

use plotters::{
    backend::SVGBackend,
    chart::ChartBuilder,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea as _},
    element::{Circle, PathElement, Rectangle, Text},
    style::{
        Color as _, IntoFont as _, RGBColor, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use super::error::PageError;

/// The colours of series, in this order. `static/charts.css` names the same values.
const SERIES: [RGBColor; 4] = [
    RGBColor(0x1f, 0x5f, 0x5b),
    RGBColor(0xb8, 0x59, 0x0a),
    RGBColor(0x5b, 0x4b, 0x8a),
    RGBColor(0x8e, 0x1f, 0x1f),
];
/// Text and axes.
const INK: RGBColor = RGBColor(0x5a, 0x66, 0x6b);
/// Lines of the grid.
const GRID: RGBColor = RGBColor(0xdc, 0xdf, 0xdc);
/// Of a phone: there its letters are still as large as those around it.
const SIZE: (u32, u32) = (420, 240);
/// Labels below the axis at most; of more, every second, third, … is written.
const MOST_LABELS: usize = 6;
/// Characters of a label at most.
const MOST_CHARACTERS: usize = 14;
/// Characters of a name in the legend at most.
const MOST_OF_NAME: usize = 24;

struct Series {
    name: String,
    values: Vec<f64>,
}

/// A chart in the making.
pub(crate) struct Chart {
    id: &'static str,
    title: String,
    description: String,
    labels: Vec<String>,
    series: Vec<Series>,
}

impl Chart {
    /// A chart. `id` is its own within the page; the description says in words what the chart shows.
    pub(crate) fn new(id: &'static str, title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            id,
            title: title.into(),
            description: description.into(),
            labels: Vec::new(),
            series: Vec::new(),
        }
    }

    /// What stands below the axis, from left to right.
    #[must_use]
    pub(crate) fn labels(mut self, labels: Vec<String>) -> Self {
        self.labels = labels;
        self
    }

    /// A series with one value for each label; values beyond the labels are not drawn. Four series can be told apart.
    #[must_use]
    pub(crate) fn series(mut self, name: impl Into<String>, values: impl IntoIterator<Item = Decimal>) -> Self {
        let values = values.into_iter().map(|it| it.to_f64().unwrap_or_default());
        self.series.push(Series {
            name: name.into(),
            values: values.collect(),
        });
        self
    }

    /// As bars, the series side by side.
    ///
    /// # Errors
    /// [`PageError::Internal`], already logged.
    pub(crate) fn bars(&self) -> Result<String, PageError> {
        self.drawn(|area, place| {
            let count = self.series.len().max(1) as f64;
            for (number, series) in self.series.iter().enumerate() {
                let style = colour(number).filled();
                for (index, value) in self.values(series) {
                    let left = index as f64 + 0.12 + 0.76 * number as f64 / count;
                    let right = left + 0.76 / count * 0.94;
                    let (from, to) = (place(left, value.max(0.0)), place(right, value.min(0.0)));
                    area.draw(&Rectangle::new([from, to], style)).map_err(said)?;
                }
            }
            Ok(())
        })
    }

    /// As lines with a dot at each value.
    ///
    /// # Errors
    /// [`PageError::Internal`], already logged.
    pub(crate) fn lines(&self) -> Result<String, PageError> {
        self.drawn(|area, place| {
            for (number, series) in self.series.iter().enumerate() {
                let points: Vec<_> = self
                    .values(series)
                    .map(|(index, value)| place(index as f64 + 0.5, value))
                    .collect();
                let line = ShapeStyle::from(colour(number)).stroke_width(2);
                area.draw(&PathElement::new(points.clone(), line)).map_err(said)?;
                for point in points {
                    area.draw(&Circle::new(point, 3, colour(number).filled()))
                        .map_err(said)?;
                }
            }
            Ok(())
        })
    }

    fn values<'a>(&self, series: &'a Series) -> impl Iterator<Item = (usize, f64)> + use<'a> {
        series.values.iter().copied().enumerate().take(self.labels.len())
    }

    fn drawn(
        &self,
        shapes: impl Fn(&DrawingArea<SVGBackend<'_>, Shift>, &dyn Fn(f64, f64) -> (i32, i32)) -> Result<(), String>,
    ) -> Result<String, PageError> {
        let mut svg = String::new();
        self.draw(&mut svg, shapes).map_err(|error| {
            tracing::error!(%error, chart = self.id, "a chart could not be drawn");
            PageError::Internal
        })?;
        Ok(self.described(&svg))
    }

    fn draw(
        &self,
        svg: &mut String,
        shapes: impl Fn(&DrawingArea<SVGBackend<'_>, Shift>, &dyn Fn(f64, f64) -> (i32, i32)) -> Result<(), String>,
    ) -> Result<(), String> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let all = || {
            self.series
                .iter()
                .flat_map(|it| self.values(it))
                .map(|(_, value)| value)
        };
        let (low, high) = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
        let high = if high > low { high } else { low + 1.0 };
        let count = self.labels.len().max(1);
        let mut chart = ChartBuilder::on(&area)
            .margin_top(if self.series.len() > 1 { 32 } else { 12 })
            .margin_right(12)
            .x_label_area_size(30)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..count as f64, low..high * 1.05)
            .map_err(said)?;
        let ink = TextStyle::from(("sans-serif", 14).into_font()).color(&INK);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(GRID)
            .y_labels(5)
            .y_label_style(ink.clone())
            .y_label_formatter(&|value| short(*value))
            .draw()
            .map_err(said)?;
        let place = |x: f64, y: f64| chart.backend_coord(&(x, y));
        shapes(&area, &place)?;
        let step = count.div_ceil(MOST_LABELS);
        let below = ink.pos(Pos::new(HPos::Center, VPos::Top));
        for (index, label) in self.labels.iter().enumerate().step_by(step) {
            let (x, y) = place(index as f64 + 0.5, low);
            area.draw(&Text::new(cut(label, MOST_CHARACTERS), (x, y + 8), below.clone()))
                .map_err(said)?;
        }
        if self.series.len() > 1 {
            let beside = ink_of_legend();
            let mut x = 60;
            for (number, series) in self.series.iter().enumerate() {
                area.draw(&Rectangle::new([(x, 8), (x + 12, 20)], colour(number).filled()))
                    .map_err(said)?;
                let name = cut(&series.name, MOST_OF_NAME);
                let width = i32::try_from(name.chars().map(|it| if it.is_ascii() { 8 } else { 14 }).sum::<usize>());
                area.draw(&Text::new(name, (x + 18, 14), beside.clone()))
                    .map_err(said)?;
                x += 36 + width.unwrap_or(120);
            }
        }
        area.present().map_err(said)
    }

    /// With title and description, and as wide as the page has room for.
    fn described(&self, svg: &str) -> String {
        let shapes = svg.split_once('>').map_or("", |(_, rest)| rest);
        format!(
            "<svg class=\"chart\" id=\"{id}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-description\"><title id=\"{id}-title\">{title}</title>\
             <desc id=\"{id}-description\">{description}</desc>{shapes}",
            id = self.id,
            width = SIZE.0,
            height = SIZE.1,
            title = escaped(&self.title),
            description = escaped(&self.description),
        )
    }
}

fn ink_of_legend() -> TextStyle<'static> {
    TextStyle::from(("sans-serif", 15).into_font())
        .color(&INK)
        .pos(Pos::new(HPos::Left, VPos::Center))
}

fn colour(number: usize) -> RGBColor {
    SERIES[number % SERIES.len()]
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn cut(label: &str, most: usize) -> String {
    if label.chars().count() <= most {
        label.to_owned()
    } else {
        label.chars().take(most - 1).chain(['…']).collect()
    }
}

/// A number of the axis in few characters.
fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let rounded = (scaled * 100.0).round() / 100.0;
    format!("{rounded}{unit}").replace('-', "\u{2212}")
}

/// Text for SVG: markup is shown, not obeyed, and what XML forbids is left out.
pub(crate) fn escaped(text: &str) -> String {
    text.chars()
        .filter(|it| !it.is_control() || matches!(it, '\n' | '\t'))
        .fold(String::with_capacity(text.len()), |mut out, character| {
            match character {
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '&' => out.push_str("&amp;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                other => out.push(other),
            }
            out
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chart(name: &str) -> Chart {
        Chart::new("owed", name, name)
            .labels(vec![name.to_owned(), "31–60".to_owned(), "61–90".to_owned()])
            .series(name, [Decimal::new(12_345, 2), Decimal::from(-40), Decimal::from(70)])
            .series("second", [Decimal::ONE, Decimal::TWO, Decimal::TEN])
    }

    #[test]
    fn a_chart_holds_a_shape_for_each_value_and_real_text() {
        let bars = chart("Owed").bars().unwrap();
        for RGBColor(r, g, b) in SERIES.iter().take(2) {
            let fill = format!("fill=\"#{r:02X}{g:02X}{b:02X}\"");
            // Three bars and the legend.
            assert_eq!(bars.matches(&fill).count(), 4, "{bars}");
        }
        assert!(bars.contains("<text") && bars.contains("31–60"));
        assert!(bars.contains("<title id=\"owed-title\">Owed</title>") && bars.trim_end().ends_with("</svg>"));
        let lines = chart("Owed").lines().unwrap();
        for stroke in ["stroke=\"#1F5F5B\"", "stroke=\"#B8590A\""] {
            assert_eq!(lines.matches(stroke).count(), 1, "{lines}");
        }
        assert_eq!(lines.matches("<circle").count(), 6);
    }

    #[test]
    fn nothing_in_a_chart_is_obeyed_by_a_browser() {
        let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}&\u{0}";
        for svg in [chart(hostile).bars().unwrap(), chart(hostile).lines().unwrap()] {
            assert!(
                !svg.contains("<script") && !svg.contains("<img") && !svg.contains('\u{0}'),
                "{svg}"
            );
            assert!(
                !svg.contains(" style=") && !svg.contains("<style") && !svg.contains("href"),
                "{svg}"
            );
        }
    }

    #[test]
    fn a_chart_without_values_or_with_huge_ones_is_still_a_chart() {
        assert!(Chart::new("none", "", "").bars().unwrap().contains("<svg"));
        let zeros = Chart::new("zeros", "", "")
            .labels(vec![String::new()])
            .series("", [Decimal::ZERO]);
        assert!(zeros.lines().unwrap().contains("<circle"));
        let huge = Chart::new("huge", "", "")
            .labels(vec!["a".repeat(10_000); 400])
            .series("", std::iter::repeat_n(Decimal::MAX, 400));
        let svg = huge.bars().unwrap();
        assert!(svg.matches("<text").count() < 40, "{}", svg.len());
        assert_eq!(
            (short(12_500.0).as_str(), short(-3_000_000.0).as_str()),
            ("12.5k", "−3M")
        );
    }
}
