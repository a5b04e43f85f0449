//! Visits.

use fieldledger_core::model::{CheckPoint, GeofenceVerdict, Visit};

use super::{Content, Field, Shown, Voice, day, evidence, prose, section};

pub(super) fn visit(voice: Voice<'_>, visit: &Visit) -> Content {
    let mut main = vec![
        voice.field("purpose", voice.words("purpose", &visit.purpose)),
        voice.field("planned_for", day(visit.planned_for)),
        voice.field(
            "outcome",
            visit
                .outcome
                .as_ref()
                .map_or(Shown::Nothing, |it| voice.words("outcome", it)),
        ),
        voice.field("note", prose(&visit.note)),
    ];
    main.extend(voice.next_step(visit.next_step.as_ref()));
    if let Some(reason) = &visit.cancelled {
        main.push(voice.field("cancelled", prose(reason)));
    }
    let mut sections = vec![section(voice.text.t("record.details").to_owned(), main)];
    for (name, point) in [("check_in", &visit.check_in), ("check_out", &visit.check_out)] {
        if let Some(point) = point {
            sections.push(section(voice.label(name), check_point(voice, point)));
        }
    }
    Content {
        sections,
        photos: evidence(voice, &visit.evidence),
        ..Content::default()
    }
}

fn check_point(voice: Voice<'_>, point: &CheckPoint) -> Vec<Field> {
    let verdict = match voice.words("verdict", &point.geofence.verdict) {
        Shown::Text(text) => match point.geofence.verdict {
            GeofenceVerdict::Inside => Shown::Good(text),
            GeofenceVerdict::Outside => Shown::Doubt(text),
            GeofenceVerdict::Unknown => Shown::Text(text),
        },
        other => other,
    };
    let mut fence = voice.field("fence", verdict);
    if let Some(metres) = point.geofence.distance_metres {
        fence
            .remarks
            .push(Shown::Text(voice.text.fill("record.distance", "metres", metres)));
    }
    vec![
        voice.field("at", voice.moment(point.at)),
        voice.position("pos", point.position.as_ref()),
        fence,
    ]
}
