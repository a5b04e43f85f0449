//! The list of activity: searching, reviewing several at once, a day on a map, photos; and what a record's page adds to it.

use axum::http::StatusCode;
use fieldledger_core::{
    document::edit,
    model::{
        CreditVerdict, Currency, LedgerRecord, OrderDecision, OrderEvent, OrderEventKind, OrderStanding, Timestamp,
    },
};

use super::{
    samples::{HOSTILE, assert_inert, delivery, note, order},
    world::{
        ADMINISTRATOR, DRIVER, FINANCE, NOON, ORG, REP, SHOP, SUPERVISOR, WEST_SHOP, WEST_SUPERVISOR, World, csrf,
    },
};
use crate::store::{DocumentStore as _, PeopleStore as _};

#[tokio::test]
async fn the_list_is_searched_by_two_chinese_characters() {
    let world = World::new().await;
    let found = world.visit(SHOP, "下周一付款，货架已满").await;
    let other = world.visit(SHOP, "没有人在").await;
    let west = world.visit(WEST_SHOP, "付款").await;
    let body = world.get(SUPERVISOR, "/activity?q=%E4%BB%98%E6%AC%BE").await.body;
    assert!(body.contains(&found.to_string()) && !body.contains(&other.to_string()));
    assert!(!body.contains(&west.to_string()) && body.contains("value=\"付款\""));
}

#[tokio::test]
async fn several_records_are_reviewed_at_once_and_each_for_itself() {
    let world = World::new().await;
    let one = world.visit(SHOP, "one").await;
    let two = world.visit(SHOP, "two").await;
    let west = world.visit(WEST_SHOP, "west").await;
    let secret = csrf(SUPERVISOR);
    let (first, second, foreign) = (one.to_string(), two.to_string(), west.to_string());
    let send = async |more: &[(&str, &str)]| {
        let mut fields = vec![("csrf", secret.as_str()), ("back", "/activity?kind=visit")];
        fields.extend_from_slice(more);
        world.post(SUPERVISOR, "/activity/review", &fields).await
    };
    let ids = [
        ("id", first.as_str()),
        ("id", &second),
        ("id", &second),
        ("id", &foreign),
        ("id", "nonsense"),
    ];
    let endless = "x".repeat(20_001);
    for (more, problem) in [
        (
            vec![("verdict", "approved"), ("comment", "kept")],
            "Tick at least one record",
        ),
        (vec![("id", first.as_str()), ("comment", "kept")], "Choose"),
        (
            vec![("id", first.as_str()), ("verdict", "flagged"), ("comment", "  ")],
            "needs a comment",
        ),
        (
            vec![("id", first.as_str()), ("verdict", "flagged"), ("comment", &endless)],
            "too long",
        ),
    ] {
        let reply = send(&more).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        let said = reply.body.split_once("id=\"problem\">").unwrap().1;
        assert!(
            said.split_once("</p>").unwrap().0.contains(problem),
            "{problem}: {}",
            &said[..80]
        );
        // What was picked and typed is there again, in the list as it was filtered.
        let pick = reply.body.split_once(&format!("id=\"pick-{one}\"")).unwrap().1;
        let is_picked = more.iter().any(|(name, _)| *name == "id");
        assert_eq!(pick.split_once('>').unwrap().0.contains("checked"), is_picked);
        assert!(reply.body.contains("value=\"visit\" selected"));
        let comment = more.iter().find(|(name, _)| *name == "comment").unwrap().1.trim();
        assert!(
            reply
                .body
                .contains(&format!("aria-describedby=\"batch-hint\">{comment}</textarea>"))
        );
        assert!(
            reply.body.contains("back=%2Factivity\""),
            "the language link leads to the list"
        );
    }
    assert!(world.store.reviews_of(ORG, one).await.unwrap().is_empty());
    let mut fields = ids.to_vec();
    fields.extend([("verdict", "questioned"), ("comment", "Why?\r\nSay more.")]);
    let reply = send(&fields).await;
    assert_eq!(reply.location(), "/activity?kind=visit&reviewed=2&failed=2");
    for id in [one, two] {
        let reviews = world.store.reviews_of(ORG, id).await.unwrap();
        assert_eq!(reviews.len(), 1);
        assert_eq!(reviews[0].tree["comment"], "Why?\nSay more.");
    }
    assert!(world.store.reviews_of(ORG, west).await.unwrap().is_empty());
    let page = world.get(SUPERVISOR, reply.location()).await.body;
    assert!(page.contains("2 reviewed.") && page.contains("2 could not be reviewed."));
    // Nobody is sent elsewhere by a forged form.
    let away = [
        ("csrf", secret.as_str()),
        ("back", "//evil.example"),
        ("id", "x"),
        ("verdict", "approved"),
    ];
    let reply = world.post(SUPERVISOR, "/activity/review", &away).await;
    assert_eq!(reply.location(), "/?reviewed=0&failed=1");
}

#[tokio::test]
async fn the_form_for_several_stands_only_where_somebody_may_review() {
    let world = World::new().await;
    let id = world.visit(SHOP, "one").await;
    let body = world.get(FINANCE, "/activity").await.body;
    assert!(
        body.contains(&format!("id=\"pick-{id}\"")) && body.contains("id=\"batch\"") && body.contains("id=\"keys\"")
    );
    let empty = world.get(FINANCE, "/activity?kind=order").await.body;
    assert!(!empty.contains("id=\"batch\""));
    // The page of a customer shows the same lines without the form.
    let customer = world.get(FINANCE, &format!("/customers/{SHOP}")).await.body;
    assert!(!customer.contains("id=\"batch\"") && !customer.contains("id=\"pick-"));
}

#[tokio::test]
async fn a_reps_day_is_drawn_and_told_in_the_order_of_its_times() {
    let world = World::with_names(&format!("Shop {HOSTILE}"), "tea").await;
    let visit = world.visit(SHOP, HOSTILE).await;
    let note = world.record(&edit::tree_of(&note("a call")).unwrap()).await;
    world.visit(WEST_SHOP, "seen in the west").await;
    for language in ["en", "zh"] {
        let page = world
            .get_in(SUPERVISOR, &format!("/activity/day/{REP}/2026-03-02"), language)
            .await;
        assert_eq!(page.status, StatusCode::OK);
        assert_inert(&page.body);
        let map = page
            .body
            .split_once("<svg class=\"map\"")
            .unwrap()
            .1
            .split_once("</svg>")
            .unwrap()
            .0;
        assert_eq!(map.matches("map-stop mocked").count(), 1, "{map}");
        assert!(
            map.contains("map-place") && map.contains("map-accuracy") && map.contains(&format!("/records/{visit}"))
        );
        let stops = page
            .body
            .split_once("id=\"stops\"")
            .unwrap()
            .1
            .split_once("</table>")
            .unwrap()
            .0;
        // The visit was checked in an hour before the call.
        assert!(stops.find(&visit.to_string()).unwrap() < stops.find(&note.to_string()).unwrap());
        assert!(stops.contains(">11:00<") && stops.contains(">12:00<"), "{stops}");
        assert!(!page.body.contains("seen in the west"));
    }
    let other = world
        .get(SUPERVISOR, &format!("/activity/day/{REP}/2026-03-03"))
        .await
        .body;
    assert!(other.contains("id=\"no-stops\"") && other.contains("/2026-03-02\""));
    let west = world
        .get(WEST_SUPERVISOR, &format!("/activity/day/{REP}/2026-03-02"))
        .await
        .body;
    assert!(west.contains("seen in the west") && !west.contains(&visit.to_string()));
    let driver = world
        .get(WEST_SUPERVISOR, &format!("/activity/day/{DRIVER}/2026-03-02"))
        .await;
    assert_eq!(driver.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn photos_say_what_was_declared_and_that_the_file_has_not_arrived() {
    let world = World::new().await;
    let id = world.record(&edit::tree_of(&delivery(HOSTILE)).unwrap()).await;
    world.visit(SHOP, "without photos").await;
    let hash = "03".repeat(32);
    for path in [
        "/activity/photos".to_owned(),
        format!("/activity/photos?rep={REP}&kind=delivery&from=2026-03-01&to=2026-03-03"),
        format!("/records/{id}"),
        format!("/activity/day/{REP}/2026-03-02"),
    ] {
        for (language, words) in [("en", "File not yet arrived"), ("zh", "文件尚未到达")] {
            let body = world.get_in(SUPERVISOR, &path, language).await.body;
            assert_inert(&body);
            assert!(
                body.contains(words) && body.contains(&hash) && body.contains("1.2 MB"),
                "{path}"
            );
        }
    }
    for path in ["/activity/photos?kind=visit", "/activity/photos?from=2026-03-03"] {
        assert!(!world.get(SUPERVISOR, path).await.body.contains(&hash), "{path}");
    }
    assert!(
        !world
            .get(WEST_SUPERVISOR, "/activity/photos")
            .await
            .body
            .contains(&hash)
    );
}

#[tokio::test]
async fn a_supervisor_answers_in_the_thread_of_a_review() {
    let world = World::new().await;
    let id = world.visit(SHOP, "note").await;
    let secret = csrf(SUPERVISOR);
    let fields = [
        ("csrf", secret.as_str()),
        ("verdict", "questioned"),
        ("comment", "Why so far away?"),
    ];
    world.post(SUPERVISOR, &format!("/records/{id}/review"), &fields).await;
    let review = world.store.reviews_of(ORG, id).await.unwrap().remove(0).id.to_string();
    let path = format!("/records/{id}/reply");
    let hostile = format!("I called myself. {HOSTILE}");
    let fields = [("csrf", secret.as_str()), ("review", &review), ("text", &hostile)];
    let sent = world.post(SUPERVISOR, &path, &fields).await;
    assert_eq!(sent.location(), format!("/records/{id}?done=reply#review"));
    let page = world.get(SUPERVISOR, &format!("/records/{id}?done=reply")).await.body;
    assert_inert(&page);
    assert!(page.contains("I called myself.") && page.contains("The answer is on its way"));
    // What was done to its reviews is told with what was done to it, and the page keeps up with news.
    assert!(page.contains("<bdi>review made</bdi>") && page.contains("id=\"record\" data-live-refresh"));
    let stored = world.store.reviews_of(ORG, id).await.unwrap().remove(0);
    assert_eq!(stored.tree["replies"].as_object().unwrap().len(), 1);
    // Nothing is said in the thread of another record, and nothing empty.
    let other = world.visit(SHOP, "other").await;
    let reply = world
        .post(SUPERVISOR, &format!("/records/{other}/reply"), &fields)
        .await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    let empty = [("csrf", secret.as_str()), ("review", review.as_str()), ("text", " ")];
    let refused = world.post(SUPERVISOR, &path, &empty).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused
            .body
            .contains(&format!("id=\"reply-{review}-problem\">Please fill this in."))
    );
    let endless = format!("kept {}", "x".repeat(20_001));
    let long = [
        ("csrf", secret.as_str()),
        ("review", review.as_str()),
        ("text", &endless),
    ];
    let refused = world.post(SUPERVISOR, &path, &long).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("too long") && refused.body.contains(&endless));
    assert!(refused.body.contains(&format!("back=%2Frecords%2F{id}\"")));
    assert_eq!(
        world
            .post(
                WEST_SUPERVISOR,
                &path,
                &[("csrf", &csrf(WEST_SUPERVISOR)), ("review", &review), ("text", "x")]
            )
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_record_tells_what_was_decided_about_it_and_by_whom() {
    let world = World::new().await;
    let id = world.record(&edit::tree_of(&order("O-1")).unwrap()).await;
    let event = |at, by, what, reason: &str| OrderEvent {
        at: Timestamp::from_millis(at),
        by,
        what,
        reason: reason.to_owned(),
        check: None,
    };
    let decision = OrderDecision {
        order: id,
        number: "O-1".to_owned(),
        customer: SHOP,
        rep: REP,
        received_at: Timestamp::from_millis(NOON),
        wanted_by: None,
        currency: Currency::CNY,
        lines: Default::default(),
        deliveries: Default::default(),
        standing: OrderStanding::Released,
        spend: None,
        events: vec![
            event(NOON, None, OrderEventKind::Decided(CreditVerdict::Held), ""),
            event(
                NOON + 9,
                Some(SUPERVISOR),
                OrderEventKind::Released,
                &format!("paid by wire {HOSTILE}"),
            ),
        ],
    };
    let records = vec![LedgerRecord::OrderDecision(decision)];
    world
        .store
        .put_records(ORG, records, true, Timestamp::from_millis(NOON))
        .await
        .unwrap();
    for (language, words) in [
        (
            "en",
            ["Decisions", "Released", "the rules", "held: a supervisor decides"],
        ),
        ("zh", ["决定", "已放行", "规则", "判定结果"]),
    ] {
        let page = world
            .get_in(ADMINISTRATOR, &format!("/records/{id}"), language)
            .await
            .body;
        assert_inert(&page);
        let part = page
            .split_once("id=\"decisions\"")
            .unwrap()
            .1
            .split_once("</section>")
            .unwrap()
            .0;
        for word in words {
            assert!(page.contains(word), "{word}");
        }
        assert!(part.contains("supervisor name") && part.contains("paid by wire"));
        // The newest first.
        assert!(part.find("paid by wire") < part.find(words[2]));
    }
}

#[tokio::test]
async fn a_choice_between_two_values_is_written_down() {
    let world = World::new().await;
    let id = world.disagreement().await;
    let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    let value = |name: &str| {
        let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
        rest.split('"')
            .next()
            .unwrap()
            .replace("&#34;", "\"")
            .replace("&quot;", "\"")
    };
    let (path, change) = (value("path"), value("change"));
    let fields = [("csrf", csrf(SUPERVISOR)), ("path", path), ("change", change)];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = world.post(SUPERVISOR, &format!("/records/{id}/settle"), &fields).await;
    assert_eq!(sent.location(), format!("/records/{id}?done=settled"));
    let audited = world.store.audited_of(ORG, &id.to_string(), 9).await.unwrap();
    assert_eq!(audited.len(), 1);
    assert_eq!(
        (
            audited[0].action.as_str(),
            audited[0].detail.starts_with("note by change ")
        ),
        ("record.settled", true)
    );
    let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    assert!(page.contains("disagreement settled") && !page.contains("id=\"disagreements\""));
}
