//! Sorting, exports and addresses of lists; what a list looks like on a page is tested with the pages.
#![allow(clippy::unwrap_used)]

use std::io::Read as _;

use chrono_tz::Asia::Shanghai;
use fieldledger_core::model::Currency;

use super::{
    export::{csv, harmless, xlsx},
    *,
};
use crate::web::messages::{Language, Text};

fn money(text: &str) -> Cell {
    Cell::Money(Money::new(text.parse().unwrap(), Currency::CNY))
}

fn spec() -> Spec {
    Spec::new(
        "owed",
        "Owed",
        vec![
            Column::text("name", "Name"),
            Column::money("owed", "Owed"),
            Column::day("due", "Due"),
            Column::moment("seen", "Seen"),
            Column::number("share", "Share"),
            Column::text("act", "Act").only_shown(),
        ],
    )
    .sorted_by("owed", Direction::Descending)
}

fn row(name: &str, owed: Cell) -> Row {
    Row::new(vec![
        Cell::text(name),
        owed,
        Cell::Day("2026-03-02".parse().unwrap()),
        // 2026-03-02T04:00:00Z
        Cell::Moment(Timestamp::from_millis(1_772_424_000_000)),
        Cell::Share("66.67".parse().unwrap()),
        Cell::link("/x", "do it"),
    ])
}

fn sent(uri: &str) -> Sent {
    let uri: axum::http::Uri = uri.parse().unwrap();
    Sent {
        path: uri.path().to_owned(),
        pairs: Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap().0,
    }
}

fn names(rows: &[(Row, ())]) -> Vec<String> {
    rows.iter().filter_map(|(row, ())| row.cells[0].words()).collect()
}

#[test]
fn rows_are_sorted_by_value_and_what_is_missing_comes_last_either_way() {
    let mut rows = vec![
        (row("nine", money("9.00")), ()),
        (row("none", Cell::Nothing), ()),
        (row("ten", money("10")), ()),
        (row("minus", money("-3")), ()),
    ];
    sort_rows(&mut rows, 1, Direction::Ascending);
    assert_eq!(names(&rows), ["minus", "nine", "ten", "none"]);
    sort_rows(&mut rows, 1, Direction::Descending);
    assert_eq!(names(&rows), ["ten", "nine", "minus", "none"]);
    sort_rows(&mut rows, 0, Direction::Ascending);
    assert_eq!(names(&rows), ["minus", "nine", "none", "ten"]);
    sort_rows(&mut rows, 99, Direction::Ascending);
    assert_eq!(rows.len(), 4);
}

#[test]
fn cards_are_searched_and_ordered_as_a_table_is() {
    let spec = spec().filter(Filter::search("q", "Search"));
    let rows = || {
        vec![
            (row("nine", money("9.00")), 9),
            (row("ten", money("10")), 10),
            (row("minus", money("-3")), -3),
        ]
    };
    let order = |address: &str| -> Vec<i32> {
        let arranged = spec.arranged(&sent(address), rows());
        arranged.into_iter().map(|(_, it)| it).collect()
    };
    assert_eq!(order("/owed"), [10, 9, -3]);
    assert_eq!(order("/owed?sort=owed"), [-3, 9, 10]);
    assert_eq!(order("/owed?sort=-name&q=e%20IN"), [9]);
    for (address, is_rearranged) in [
        ("/owed", false),
        ("/owed?sort=-owed&q=%20", false),
        ("/owed?sort=nothing&page=3", false),
        ("/owed?sort=owed", true),
        ("/owed?q=ten", true),
    ] {
        assert_eq!(spec.is_rearranged(&sent(address)), is_rearranged, "{address}");
    }
    // Of what was sent only what says which list it is stays in its address.
    let address = sent("/owed?q=a%26b&from=3&done=x&sort=-due&order=z");
    let whole = spec.whole("/owed", |name| address.value(name).map(str::to_owned));
    assert_eq!(whole.address_with(&[]), "/owed?q=a%26b&sort=-due");
    let chosen = |address: &str| -> Vec<String> {
        let orders = spec.orders(Text(Language::English), &sent(address)).into_iter();
        orders
            .filter(|it| it.2)
            .map(|it| format!("{}|{}", it.0, it.1))
            .collect()
    };
    assert_eq!(chosen("/owed"), ["-owed|Owed: largest first"]);
    assert_eq!(chosen("/owed?sort=due"), ["due|Due: earliest first"]);
    let own = Spec::new("plain", "Plain", vec![Column::text("name", "Name")]).own_order("As it came");
    let orders = own.orders(Text(Language::English), &sent("/plain"));
    assert_eq!(orders[0], (String::new(), "As it came".to_owned(), true));
    assert_eq!((orders.len(), orders[2].0.as_str(), orders[2].2), (3, "-name", false));
}

#[test]
fn the_address_says_which_part_a_store_should_read() {
    let spec = spec().rows(20);
    let wanted = spec.wanted(&sent("/owed?page=3&sort=name"));
    assert_eq!(wanted.sort, Some(("name", Direction::Ascending)));
    assert_eq!((wanted.from, wanted.limit), (40, 20));
    assert_eq!(
        spec.wanted(&sent("/owed?sort=-due")).sort,
        Some(("due", Direction::Descending))
    );
    // What is no column of the list, or does not sort, is no order.
    for strange in ["/owed", "/owed?sort=nothing", "/owed?sort=act", "/owed?sort=%00"] {
        assert_eq!(
            spec.wanted(&sent(strange)).sort,
            Some(("owed", Direction::Descending)),
            "{strange}"
        );
    }
    for strange in ["/owed?page=0", "/owed?page=-1", "/owed?page=x"] {
        assert_eq!(spec.wanted(&sent(strange)).from, 0, "{strange}");
    }
    assert!(spec.wanted(&sent("/owed?page=18446744073709551615")).from > 0);
    let file = spec.wanted(&sent("/owed?page=3&format=csv"));
    assert_eq!((file.from, file.limit), (0, MOST_EXPORTED + 1));
    let named = spec.named();
    assert_eq!(named.wanted(&sent("/owed?page.owed=2&page=9")).from, 20);
    assert_eq!(named.wanted(&sent("/owed?format=csv")).limit, 20);
}

#[test]
fn a_link_keeps_every_other_parameter_of_the_address() {
    let sent = sent("/owed?q=%E8%8C%B6%20%26&page=2&empty=&sort=name");
    assert_eq!(
        sent.address_with(&[("sort", "-owed"), ("page", "")]),
        "/owed?q=%E8%8C%B6%20%26&sort=-owed"
    );
    assert_eq!(sent.value("q"), Some("茶 &"));
    assert_eq!((sent.value("empty"), sent.is_set("empty")), (None, false));
}

#[test]
fn csv_has_a_mark_for_excel_numbers_without_words_and_no_formulas() {
    let rows = [
        row("=HYPERLINK(\"http://evil\")", money("-1234.50")),
        row("say \"hi\", 茶\nagain", Cell::Nothing),
    ];
    let bytes = csv(&spec(), &rows, Shanghai, "currency").unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "\u{feff}\"Name\",\"Owed\",\"Owed (currency)\",\"Due\",\"Seen\",\"Share\"\r\n\
         \"'=HYPERLINK(\"\"http://evil\"\")\",\"-1234.50\",\"CNY\",\"2026-03-02\",\"2026-03-02 12:00\",\"66.67\"\r\n\
         \"say \"\"hi\"\", 茶\nagain\",\"\",\"\",\"2026-03-02\",\"2026-03-02 12:00\",\"66.67\"\r\n"
    );
    // A cell is whole also where the semicolon separates them.
    let bytes = csv(&spec(), &[row("x;=cmd", Cell::Nothing)], Shanghai, "currency").unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains("\n\"x;=cmd\",\"\""));
}

#[test]
fn whatever_a_spreadsheet_takes_for_a_formula_is_made_harmless() {
    for risky in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "－1"] {
        assert_eq!(harmless(risky), format!("'{risky}"));
    }
    for plain in ["", "茶", "1-1", "a=b", " =1"] {
        assert_eq!(harmless(plain), plain);
    }
}

fn part(workbook: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(workbook)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_workbook_holds_numbers_dates_and_texts_as_what_they_are() {
    let long = "長".repeat(40_000);
    let rows = [
        row("=1+1", money("1234.50")),
        row(&long, money("12345678901234567.89")),
        row("control \u{1}\u{202e}", Cell::Nothing),
    ];
    let bytes = xlsx(&spec(), &rows, Shanghai).unwrap();
    let sheet = part(&bytes, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains("<v>1234.5</v>"), "{sheet}");
    // 2026-03-02, and noon of it.
    assert!(
        sheet.contains("<v>46083</v>") && sheet.contains("<v>46083.5</v>"),
        "{sheet}"
    );
    assert!(!sheet.contains("<f>"), "a formula got in");
    assert!(sheet.contains("<v>0.6667</v>"));
    let strings = part(&bytes, "xl/sharedStrings.xml");
    // More digits than a spreadsheet keeps.
    assert!(strings.contains("12345678901234567.89") && strings.contains("=1+1"));
    assert!(strings.contains('…') && !strings.contains(&long));
    assert!(part(&bytes, "xl/styles.xml").contains("[$CNY] #,##0.00"));
    assert!(xlsx(&spec(), &[], Shanghai).unwrap().starts_with(b"PK"));
}
