//! Whether a declared position lies at the customer's.

use crate::model::{Geofence, GeofenceVerdict, Position};

/// Mean radius of the earth in metres (IUGG).
const EARTH_METRES: f64 = 6_371_008.8;

/// Accuracy in metres that is assumed of a fix that does not state one.
const ASSUMED_ACCURACY_METRES: u32 = 50;

/// Great-circle distance in metres.
pub fn distance_metres(a: &Position, b: &Position) -> f64 {
    let (lat_a, lat_b) = (a.latitude.to_radians(), b.latitude.to_radians());
    let half_lat = (lat_b - lat_a) / 2.0;
    let half_lon = (b.longitude - a.longitude).to_radians() / 2.0;
    let h = half_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * half_lon.sin().powi(2);
    2.0 * EARTH_METRES * h.clamp(0.0, 1.0).sqrt().asin()
}

/// The verdict on `declared` for a customer `known` to be somewhere, within `radius_metres`.
///
/// Inside or outside is only said when it holds even if the fix is off by its whole accuracy; a poor fix near the edge
/// is unknown rather than an accusation.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn verdict(declared: Option<&Position>, known: Option<&Position>, radius_metres: u32) -> Geofence {
    let (Some(declared), Some(known)) = (declared, known) else {
        return Geofence {
            verdict: GeofenceVerdict::Unknown,
            distance_metres: None,
        };
    };
    let distance = distance_metres(declared, known);
    let accuracy = f64::from(declared.accuracy_metres.unwrap_or(ASSUMED_ACCURACY_METRES));
    let radius = f64::from(radius_metres);
    let verdict = if distance - accuracy > radius {
        GeofenceVerdict::Outside
    } else if distance + accuracy <= radius {
        GeofenceVerdict::Inside
    } else {
        GeofenceVerdict::Unknown
    };
    Geofence {
        verdict,
        distance_metres: Some(distance.round() as u32),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(latitude: f64, longitude: f64, accuracy: u32) -> Position {
        Position::new(latitude, longitude, Some(accuracy), false).unwrap()
    }

    #[test]
    fn shanghai_to_hangzhou_is_about_164_kilometres() {
        let metres = distance_metres(&at(31.2304, 121.4737, 1), &at(30.2741, 120.1551, 1));
        assert!((163_000.0..166_000.0).contains(&metres), "{metres}");
    }

    #[test]
    fn the_accuracy_of_the_fix_decides_near_the_edge() {
        let shop = at(31.2304, 121.4737, 1);
        let hundred_metres_north = |accuracy| at(31.2304 + 0.000_9, 121.4737, accuracy);
        assert_eq!(
            verdict(Some(&hundred_metres_north(10)), Some(&shop), 200).verdict,
            GeofenceVerdict::Inside
        );
        assert_eq!(
            verdict(Some(&hundred_metres_north(150)), Some(&shop), 200).verdict,
            GeofenceVerdict::Unknown
        );
        assert_eq!(
            verdict(Some(&hundred_metres_north(10)), Some(&shop), 50).verdict,
            GeofenceVerdict::Outside
        );
        assert_eq!(verdict(None, Some(&shop), 200).verdict, GeofenceVerdict::Unknown);
        assert_eq!(
            verdict(Some(&hundred_metres_north(10)), Some(&shop), 200).distance_metres,
            Some(100)
        );
    }

    #[test]
    fn opposite_ends_of_the_earth_do_not_give_nan() {
        assert!(distance_metres(&at(90.0, 0.0, 1), &at(-90.0, 180.0, 1)).is_finite());
    }
}
