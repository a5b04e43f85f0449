//! A QR code as a picture in the page: shapes without style or script, which the pages' content policy lets through.

use std::fmt::Write as _;

use qrcode::{EcLevel, QrCode};

/// Light modules around the code, as many as its standard asks for.
const QUIET: usize = 4;

/// The code of `text` as SVG with `label` as what it is called. `None` when the text is too long for one.
pub(super) fn svg(text: &str, label: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let dark = row[x..].iter().take_while(|it| **it == qrcode::Color::Dark).count();
            if dark > 0 {
                let _ = write!(path, "M{} {}h{dark}v1h-{dark}z", x + QUIET, y + QUIET);
            }
            x += dark.max(1);
        }
    }
    let label = askama::filters::escape(label, askama::filters::Html).ok()?;
    // Dark on light whatever the theme: cameras read nothing else for certain.
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"qr\" role=\"img\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><title>{label}</title><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\
         <path fill=\"#000\" d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Paints the path and reads the modules back, as a camera would see them.
    #[test]
    fn the_picture_shows_every_module_of_the_code_and_nothing_else() {
        let text = "https://sales.example.com/enrol#ABCD-1234-EFGH";
        let svg = svg(text, "<code>").unwrap();
        assert!(
            svg.contains("<title>&#60;code&#62;</title>") && !svg.contains("style"),
            "{svg}"
        );
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let width = code.width();
        let mut seen = vec![false; width * width];
        let path = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        for run in path.split('M').filter(|it| !it.is_empty()) {
            let (at, rest) = run.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let dark: usize = rest.split('v').next().unwrap().parse().unwrap();
            for module in x..x + dark {
                seen[(y - QUIET) * width + module - QUIET] = true;
            }
        }
        let meant: Vec<bool> = code
            .to_colors()
            .into_iter()
            .map(|it| it == qrcode::Color::Dark)
            .collect();
        assert_eq!(seen, meant);
    }

    #[test]
    fn a_text_that_fits_no_code_gives_none() {
        assert!(svg(&"x".repeat(5_000), "").is_none());
    }
}
