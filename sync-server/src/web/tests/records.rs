//! What the page of a record says and what can be done there.

use axum::http::StatusCode;
use fieldledger_core::{
    document::{self, edit},
    model::{DocumentId, EvidenceHash, NextStep, Order, OrderState, Timestamp, VisitOutcome, VisitPurpose},
    rules::{credit, wording::Language},
    sync::protocol::{RejectionCode, StreamCursor, StreamId},
};
use serde_json::json;

use super::{
    samples::{HOSTILE, assert_inert, delivery, line, note, order, statement_confirmation, unknown},
    world::{EAST, FINANCE, NOON, ORG, PHONE, REP, SHOP, SUPERVISOR, World, by_rep, csrf, visit},
};
use crate::store::{DocumentStore as _, PeopleStore as _, Quarantined};

#[tokio::test]
async fn hostile_text_stays_text_in_every_field_of_every_kind() {
    let hostile = format!("{HOSTILE} {}", "長".repeat(3_000));
    let world = World::with_names(&hostile, &hostile).await;
    for user in [SUPERVISOR, REP] {
        let mut account = world.store.account(ORG, user).await.unwrap().unwrap();
        account.name = hostile.clone();
        world.store.put_account(account).await.unwrap();
    }
    let mut strange = visit(SHOP, &hostile);
    strange.purpose = VisitPurpose::Other(hostile.clone());
    strange.check_out = strange.check_in;
    strange.outcome = Some(VisitOutcome::Other(hostile.clone()));
    strange.next_step = Some(NextStep {
        what: hostile.clone(),
        due: None,
    });
    strange.cancelled = Some(hostile.clone());
    let mut newer = edit::tree_of(&visit(SHOP, "x")).unwrap();
    newer["added"] = json!({ hostile.clone(): hostile.clone() });
    let trees = [
        edit::tree_of(&strange).unwrap(),
        edit::tree_of(&delivery(&hostile)).unwrap(),
        edit::tree_of(&note(&hostile)).unwrap(),
        edit::tree_of(&order(&hostile)).unwrap(),
        edit::tree_of(&statement_confirmation(&hostile)).unwrap(),
        unknown(&hostile),
        newer,
    ];
    for tree in &trees {
        let id = world.record(tree).await;
        let fields = [
            ("csrf", csrf(SUPERVISOR)),
            ("verdict", "flagged".to_owned()),
            ("comment", hostile.clone()),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let sent = world.post(SUPERVISOR, &format!("/records/{id}/review"), &fields).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER);
        for language in ["en", "zh"] {
            let page = world.get_in(SUPERVISOR, &format!("/records/{id}"), language).await;
            assert_eq!(page.status, StatusCode::OK);
            assert_inert(&page.body);
            assert!(
                page.body.contains("&#60;script&#62;") || page.body.contains("&lt;script&gt;"),
                "{tree}"
            );
        }
    }
    world
        .store
        .quarantine(
            ORG,
            vec![Quarantined {
                digest: [1; 32],
                document: None,
                territory: Some(EAST),
                bytes: vec![1, 2, 3],
                user: REP,
                device: PHONE,
                code: RejectionCode::Invalid,
                message: hostile.clone(),
                received_at: Timestamp::from_millis(NOON),
            }],
        )
        .await
        .unwrap();
    let asked = crate::web::page::encoded(HOSTILE);
    for path in [
        "/activity".to_owned(),
        format!("/activity?customer={asked}&state={asked}&kind={asked}"),
        format!("/customers?q={asked}"),
        format!("/customers/{SHOP}"),
        "/quarantine".to_owned(),
        "/devices".to_owned(),
        format!("/sign-in?next={asked}"),
    ] {
        let page = world.get(SUPERVISOR, &path).await;
        assert!(
            page.status == StatusCode::OK || page.status.is_redirection(),
            "{path}: {}",
            page.status
        );
        assert_inert(&page.body);
    }
}

#[tokio::test]
async fn a_review_is_received_by_the_reps_phone_and_the_reply_is_shown() {
    let world = World::new().await;
    let id = world.visit(SHOP, "note").await;
    let path = format!("/records/{id}/review");
    let secret = csrf(SUPERVISOR);
    let silent = world
        .post(SUPERVISOR, &path, &[("csrf", &secret), ("verdict", "questioned")])
        .await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(silent.body.contains("needs a comment for the rep"));
    let nothing = world
        .post(SUPERVISOR, &path, &[("csrf", &secret), ("comment", "kept words")])
        .await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.body.contains("kept words"));
    let fields = [
        ("csrf", secret.as_str()),
        ("verdict", "questioned"),
        ("comment", "Why so far away?\r\nSay more."),
    ];
    let sent = world.post(SUPERVISOR, &path, &fields).await;
    assert_eq!(sent.location(), format!("/records/{id}?done=review"));

    let rep = world.store.account(ORG, REP).await.unwrap().unwrap();
    let streams = vec![StreamCursor {
        stream: StreamId::Territory(EAST),
        cursor: None,
    }];
    let pull = World::request(Vec::new(), streams, 1 << 20);
    let reply = world
        .state
        .sync
        .exchange(&rep, &world.device().await, pull)
        .await
        .unwrap();
    let reviews = world.store.reviews_of(ORG, id).await.unwrap();
    assert_eq!(reviews.len(), 1);
    assert_eq!(reviews[0].stream, StreamId::Territory(EAST));
    assert_eq!(reviews[0].tree["comment"], "Why so far away?\nSay more.");
    // The two that were refused left no line.
    let audit = world.store.audit_log(ORG, 10).await.unwrap();
    let made: Vec<_> = audit.iter().filter(|entry| entry.action == "review.made").collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].actor, SUPERVISOR.to_string());
    assert_eq!(made[0].subject, reviews[0].id.to_string());
    assert_eq!(made[0].detail, format!("questioned of {id}"));
    let pulled = format!(
        "{:?}",
        reply
            .streams
            .iter()
            .find(|page| page.stream == StreamId::Territory(EAST))
            .unwrap()
    );
    assert!(
        pulled.contains(&format!("{:?}", reviews[0].chunks[0])),
        "the phone does not get the review"
    );

    let mut opened = document::open(&reviews[0].chunks).unwrap();
    let mut after = reviews[0].tree.clone();
    after["replies"] = json!({ line(5).to_string(): { "by": REP, "at": NOON, "text": "The road was closed." } });
    let heads = reviews[0].heads.clone();
    let before = &reviews[0].tree;
    let answer = edit::edit(
        &mut opened,
        reviews[0].id,
        &heads,
        before,
        &after,
        world.fresh(),
        &by_rep(NOON),
    );
    world
        .push(vec![(Some(reviews[0].id), answer.unwrap().unwrap().bytes)])
        .await;
    let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    assert!(page.contains("Why so far away?") && page.contains("The road was closed."));
    let feed = world.get(SUPERVISOR, "/activity").await.body;
    assert!(feed.contains("verdict-questioned"));
}

#[tokio::test]
async fn settling_a_disagreement_writes_either_value_and_ends_it() {
    for index in [0, 1] {
        let world = World::new().await;
        let id = world.disagreement().await;
        let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
        assert!(page.contains("Shelf is full") && page.contains("Shelf is empty"));
        assert!(page.contains("Disagreements: 1"));
        assert!(
            world
                .get(SUPERVISOR, "/activity?disagreeing=1")
                .await
                .body
                .contains(&id.to_string())
        );
        let stored = world.store.document(ORG, id).await.unwrap().unwrap();
        let opened = document::open(&stored.chunks).unwrap();
        let values = document::disagreement::disagreements(&opened).remove(0).values;
        let chosen = values[index].value.clone();
        let change = values[index].change.unwrap().to_string();
        let path = format!("/records/{id}/settle");
        let secret = csrf(SUPERVISOR);
        let fields = [("csrf", secret.as_str()), ("path", "[\"note\"]"), ("change", &change)];
        let finance = csrf(FINANCE);
        let refused = [("csrf", finance.as_str()), ("path", "[\"note\"]"), ("change", &change)];
        assert_eq!(world.post(FINANCE, &path, &refused).await.status, StatusCode::FORBIDDEN);
        let reply = world.post(SUPERVISOR, &path, &fields).await;
        assert_eq!(
            reply.location(),
            format!("/records/{id}?done=settled"),
            "{}",
            reply.body
        );
        let settled = world.store.document(ORG, id).await.unwrap().unwrap();
        assert_eq!(settled.disagreements, 0);
        assert_eq!(settled.tree["note"], chosen);
        assert_eq!(
            world.post(SUPERVISOR, &path, &fields).await.status,
            StatusCode::CONFLICT
        );
        for (path, change) in [("x", change.as_str()), ("[\"note\"]", "zz")] {
            let fields = [("csrf", secret.as_str()), ("path", path), ("change", change)];
            let reply = world.post(SUPERVISOR, &format!("/records/{id}/settle"), &fields).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        }
    }
}

#[tokio::test]
async fn the_history_of_a_submitted_order_names_the_rules_and_not_their_json() {
    let world = World::new().await;
    let id = DocumentId::from_bytes(world.fresh());
    let submitted = order("SO-9");
    let draft = Order {
        state: OrderState::Draft,
        credit: None,
        ..submitted.clone()
    };
    let (before, after) = (edit::tree_of(&draft).unwrap(), edit::tree_of(&submitted).unwrap());
    let created = document::create(id, &before, &by_rep(NOON)).unwrap();
    let mut opened = document::open(std::slice::from_ref(&created.bytes)).unwrap();
    let heads = &created.heads;
    let change = edit::edit(
        &mut opened,
        id,
        heads,
        &before,
        &after,
        world.fresh(),
        &by_rep(NOON + 5),
    );
    world
        .push(vec![
            (None, created.bytes.clone()),
            (Some(id), change.unwrap().unwrap().bytes),
        ])
        .await;
    for (language, line) in [
        ("en", "The account is not on hold: passed"),
        ("zh-Hans", "加上本订单后占用不超过额度: 未通过"),
    ] {
        let page = world.get_in(SUPERVISOR, &format!("/records/{id}"), language).await;
        assert!(page.body.contains(line), "{line} is not in\n{}", page.body);
        assert!(!page.body.contains("exposure_within_limit"), "{}", page.body);
    }
    // What each rule found is said in the reader's language, whatever the phone wrote down.
    let check = submitted.credit.unwrap();
    let failed = check.rules.iter().find(|rule| !rule.passed).unwrap();
    let in_chinese = credit::sentence(failed, Language::Chinese, chrono_tz::Asia::Shanghai);
    assert_ne!(in_chinese, failed.sentence);
    let in_chinese = crate::web::format::spoken(&in_chinese);
    let page = world.get_in(SUPERVISOR, &format!("/records/{id}"), "zh-Hans").await;
    assert!(page.body.contains(&in_chinese), "{in_chinese} is not in\n{}", page.body);
    assert!(
        !page.body.contains(&failed.sentence),
        "{} is in\n{}",
        failed.sentence,
        page.body
    );
}

#[tokio::test]
async fn a_reason_leads_to_the_photo_that_shows_it() {
    let world = World::new().await;
    let mut signed = delivery("D-1");
    let shown = EvidenceHash([3; 32]);
    let piece = signed.evidence.get_mut(&shown).unwrap();
    piece.caption = "two crates broken".to_owned();
    let line = signed.lines.values_mut().next().unwrap();
    line.signed.as_mut().unwrap().reason.as_mut().unwrap().photo = Some(shown);
    let id = world.record(&edit::tree_of(&signed).unwrap()).await;
    let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    assert!(
        page.contains(&format!("<a href=\"#photo-{shown}\"><bdi>two crates broken</bdi></a>")),
        "{page}"
    );
    assert!(page.contains(&format!("<li id=\"photo-{shown}\">")));
}

#[tokio::test]
async fn a_review_without_what_it_needs_says_so_beside_the_field() {
    let world = World::new().await;
    let id = world.visit(SHOP, "a call").await;
    let secret = csrf(SUPERVISOR);
    let fields = [("csrf", secret.as_str()), ("verdict", "flagged"), ("comment", " ")];
    let page = world.post(SUPERVISOR, &format!("/records/{id}/review"), &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let form = page.body.split_once("<textarea id=\"comment\"").unwrap().1;
    let form = form.split_once("</form>").unwrap().0;
    assert!(form.contains("aria-invalid=\"true\" autofocus") && form.contains("id=\"comment-problem\""));
    assert!(page.body.contains("value=\"flagged\" checked"));
    let fresh = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    assert!(!fresh.contains("autofocus") && !fresh.contains("comment-problem"));
}

#[tokio::test]
async fn a_delivery_is_printed_as_its_note_and_another_record_as_it_is() {
    let world = World::new().await;
    let id = world.record(&edit::tree_of(&delivery("DN-1")).unwrap()).await;
    let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    let element = |marker: &str| {
        let at = page.find(marker).unwrap_or_else(|| panic!("no {marker}"));
        let start = page[..=at].rfind('<').unwrap();
        page[start..].split('>').next().unwrap()
    };
    for marker in [
        "aria-labelledby=\"history\"",
        "id=\"review\"",
        "<dl class=\"head",
        "<header class=\"top",
    ] {
        assert!(element(marker).contains("no-print"), "{marker}");
    }
    let letterhead = page.split_once("id=\"letterhead\"").unwrap().1;
    let letterhead = letterhead.split_once("</div>").unwrap().0;
    for words in ["Orient Trading", "东方超市 Orient", "C-1", "1 Nanjing Road"] {
        assert!(letterhead.contains(words), "{words}");
    }
    assert_eq!(page.matches("signature-line only-print").count(), 2);
    let visit = world.visit(SHOP, "note").await;
    let visit = world.get(SUPERVISOR, &format!("/records/{visit}")).await.body;
    assert!(!visit.contains("id=\"letterhead\"") && visit.contains("<header class=\"top\">"));
}

#[tokio::test]
async fn records_say_everything_in_both_languages() {
    let world = World::new().await;
    let delivery = world.record(&edit::tree_of(&delivery("DN-7")).unwrap()).await;
    let order = world.record(&edit::tree_of(&order("SO-9")).unwrap()).await;
    let visit = world.visit(SHOP, "note").await;
    let stock = world.record(&unknown("a count")).await;
    let note = world.record(&edit::tree_of(&note("words")).unwrap()).await;
    let cases: [(DocumentId, &[&str], &[&str]); 5] = [
        (
            delivery,
            &[
                "Green tea (T-1)",
                "10 box",
                "Accepted",
                "Damaged",
                "Refused",
                "Warehouse",
                "missing",
                "disputed",
                "1.2 MB",
            ],
            &["实收", "破损", "拒收", "仓库", "未确认", "有异议"],
        ),
        (
            order,
            &[
                "held",
                "CNY 1,845.00",
                "CNY 10,000.00",
                "Exposure with this order",
                "not passed",
                "10 %",
                "20.50",
            ],
            &["暂扣", "占用不超过额度", "未通过", "CNY 1,845.00"],
        ),
        (
            visit,
            &[
                "usual round",
                "outside the geofence",
                "8400 m",
                "mock provider",
                "2026-03-02 11:00",
                "UTC+08:00",
                "Li&#39;s phone",
            ],
            &["例行拜访", "在地理围栏之外", "模拟定位"],
        ),
        (
            stock,
            &[
                "1.2 MB",
                "not yet arrived",
                "stock_count",
                "Made by a newer version",
                "a count",
                "made by a newer version",
            ],
            &["由更新版本创建"],
        ),
        (
            note,
            &["CNY 5,000.00", "2026-03-10", "Promise to pay", "promise to pay"],
            &["承诺付款", "付款承诺"],
        ),
    ];
    for (id, english, chinese) in cases {
        for (language, tag, words) in [("en-GB", "en", english), ("zh-CN,zh;q=0.9", "zh-Hans", chinese)] {
            let page = world.get_in(FINANCE, &format!("/records/{id}"), language).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.body.contains(&format!("<html lang=\"{tag}\">")));
            for word in words {
                assert!(page.body.contains(word), "{word} is not on the page of {id} in {tag}");
            }
        }
    }
    let customer = world.get(FINANCE, &format!("/customers/{SHOP}")).await.body;
    for word in [
        "王老板",
        "CNY 8,500.00",
        "85 %",
        "CNY 1,234.00",
        "2026-02-01",
        "2026-03-02 12:00",
    ] {
        assert!(customer.contains(word), "{word}");
    }
}
