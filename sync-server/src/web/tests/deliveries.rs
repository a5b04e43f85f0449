//! The customer's contact confirms or disputes a delivery through a link, without an account.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use fieldledger_core::{
    document::edit,
    model::{
        Confirmation, ConfirmationVerdict, Delivery, DeliveryLine, DocumentId, LineId, Party, SignedQuantity,
        Timestamp, UserId,
    },
    sync::protocol::{Push, PushedChange, RejectionCode, Verdict},
};

use super::{
    samples::{self, HOSTILE, assert_inert},
    world::{ADMINISTRATOR, NOON, ORG, REP, Reply, SHOP, SUPERVISOR, TEA, WEST_SUPERVISOR, World, by_rep, csrf},
};
use crate::store::{DocumentStore as _, PeopleStore as _};

/// A delivery of two lines that was signed for, and the customer's word taken down by the rep.
fn delivery(words: &str) -> Delivery {
    let mut delivery = samples::delivery(words);
    delivery.confirmations.clear();
    delivery.evidence.clear();
    let said = Confirmation::new(
        ConfirmationVerdict::Confirmed,
        "at the door",
        Timestamp::from_millis(NOON),
        "",
    );
    delivery.confirmations.insert(Party::Customer, said);
    let line = DeliveryLine {
        product: TEA,
        quantity: "3".parse().unwrap(),
        batch: None,
        signed: Some(SignedQuantity {
            accepted: "3".parse().unwrap(),
            short: "0".parse().unwrap(),
            damaged: "0".parse().unwrap(),
            refused: "0".parse().unwrap(),
            reason: None,
        }),
    };
    delivery.lines.insert(samples::line(2), line);
    delivery
}

async fn make_link(world: &World, who: UserId, id: DocumentId, contact: &str) -> Reply {
    let secret = csrf(who);
    let fields = [
        ("csrf", secret.as_str()),
        ("do", "make"),
        ("contact", contact),
        ("days", "7"),
    ];
    world.post(who, &format!("/records/{id}/links"), &fields).await
}

/// The path of the link on the page that shows it.
fn link_of(reply: &Reply) -> String {
    let rest = reply.body.split("id=\"delivery-link\"").nth(1).unwrap();
    let address = rest.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    format!("/{}", address.splitn(4, '/').nth(3).unwrap())
}

async fn open(world: &World, path: &str, language: &str) -> Reply {
    let request = Request::get(path).header(header::ACCEPT_LANGUAGE, language);
    world.send(request.body(Body::empty()).unwrap()).await
}

async fn answer(world: &World, path: &str, fields: &[(String, &str)]) -> Reply {
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", crate::web::page::encoded(value)))
        .collect();
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.join("&")))
        .unwrap();
    world.send(request).await
}

fn verdict(line: LineId, verdict: &'static str) -> (String, &'static str) {
    (format!("verdict-{line}"), verdict)
}

async fn stored(world: &World, id: DocumentId) -> Delivery {
    let tree = world.store.document(ORG, id).await.unwrap().unwrap().tree;
    serde_json::from_value(tree).unwrap()
}

#[tokio::test]
async fn a_contact_answers_line_by_line_and_the_answer_is_the_customers_word_with_its_author() {
    let world = World::new().await;
    let id = world.record(&edit::tree_of(&delivery("DN-7")).unwrap()).await;
    let made = make_link(&world, SUPERVISOR, id, "王老板").await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let path = link_of(&made);
    let page = open(&world, &path, "en").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("DN-7") && page.body.contains("Green tea") && page.body.contains("Orient Trading"));
    assert!(page.body.contains("at the door"), "what was taken down by phone");
    assert_eq!(page.headers[header::REFERRER_POLICY], "no-referrer");
    assert!(page.body.contains("noindex"));
    let opened = world.store.audited(ORG, "delivery.link_opened").await.unwrap();
    assert!(opened.len() == 1 && opened[0].detail.contains("王老板"), "{opened:?}");

    let (one, two) = (samples::line(1), samples::line(2));
    let person = ("person".to_owned(), "Wang");
    let part = answer(&world, &path, &[person.clone(), verdict(one, "confirmed")]).await;
    assert_eq!(part.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(part.body.contains("Say of each line"));
    let silent = answer(
        &world,
        &path,
        &[person.clone(), verdict(one, "confirmed"), verdict(two, "disputed")],
    )
    .await;
    assert!(silent.body.contains("in a few words"));
    let nobody = answer(
        &world,
        &path,
        &[
            ("person".to_owned(), " "),
            verdict(one, "confirmed"),
            verdict(two, "confirmed"),
        ],
    )
    .await;
    assert!(nobody.body.contains("give your name"));
    assert_eq!(
        stored(&world, id).await.confirmations[&Party::Customer].by,
        "at the door"
    );

    let taken = answer(
        &world,
        &path,
        &[
            person.clone(),
            verdict(one, "confirmed"),
            verdict(two, "disputed"),
            (format!("remark-{two}"), "one box was wet"),
        ],
    )
    .await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.body);
    assert!(taken.location().ends_with("?thanks=true"));
    let said = stored(&world, id).await.confirmations[&Party::Customer].clone();
    assert_eq!(
        (said.verdict, said.by.as_str(), said.by_link),
        (ConfirmationVerdict::Disputed, "Wang", true)
    );
    assert_eq!(said.lines[&one].verdict, ConfirmationVerdict::Confirmed);
    assert_eq!(said.lines[&two].remark, "one box was wet");
    assert!(said.remark.contains("one box was wet"));
    // Everybody sees that nobody of the company said it.
    let record = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    assert!(
        record.contains("customer&#39;s contact") && record.contains("one box was wet"),
        "{record}"
    );
    assert_eq!(world.store.audited(ORG, "delivery.answered").await.unwrap().len(), 1);

    // Sent twice it is said once; everything is right takes it back.
    answer(
        &world,
        &path,
        &[
            person.clone(),
            verdict(one, "confirmed"),
            verdict(two, "disputed"),
            (format!("remark-{two}"), "one box was wet"),
        ],
    )
    .await;
    assert_eq!(world.store.audited(ORG, "delivery.answered").await.unwrap().len(), 1);
    answer(&world, &path, &[person, ("everything".to_owned(), "confirmed")]).await;
    let said = stored(&world, id).await.confirmations[&Party::Customer].clone();
    assert_eq!(
        (said.verdict, said.remark.as_str()),
        (ConfirmationVerdict::Confirmed, "")
    );
    assert!(world.store.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_of_the_company_writes_over_what_the_contact_said() {
    let world = World::new().await;
    let id = world.record(&edit::tree_of(&delivery("DN-7")).unwrap()).await;
    let path = link_of(&make_link(&world, ADMINISTRATOR, id, "Wang").await);
    let answers = [
        ("person".to_owned(), "Wang"),
        verdict(samples::line(1), "disputed"),
        (format!("remark-{}", samples::line(1)), "never came"),
        verdict(samples::line(2), "confirmed"),
    ];
    answer(&world, &path, &answers).await;
    let known = world.store.document(ORG, id).await.unwrap().unwrap();
    let push = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut opened = fieldledger_core::document::open(&known.chunks).unwrap();
        let mut after = known.tree.clone();
        change(&mut after);
        let actor = world.fresh();
        let made = edit::edit(
            &mut opened,
            id,
            &known.heads,
            &known.tree,
            &after,
            actor,
            &by_rep(NOON + 9),
        )
        .unwrap();
        Push::Change(PushedChange {
            document: Some(id),
            bytes: made.unwrap().bytes,
            relayed: false,
        })
    };
    let over = push(&|tree| {
        let said = Confirmation::new(ConfirmationVerdict::Confirmed, "Wang", Timestamp::from_millis(NOON), "");
        tree["confirmations"]["customer"] = serde_json::to_value(said).unwrap();
    });
    let beside = push(&|tree| {
        let said = Confirmation::new(ConfirmationVerdict::Confirmed, "Li", Timestamp::from_millis(NOON), "");
        tree["confirmations"]["sales"] = serde_json::to_value(said).unwrap();
    });
    // Nor claims that the contact had spoken, in a delivery of which nobody has said anything.
    let claim = {
        let mut claimed = delivery("DN-8");
        let said = claimed.confirmations.get_mut(&Party::Customer).unwrap();
        said.by_link = true;
        let id = DocumentId::from_bytes(world.fresh());
        let tree = edit::tree_of(&claimed).unwrap();
        Push::Change(PushedChange {
            document: None,
            bytes: fieldledger_core::document::create(id, &tree, &by_rep(NOON))
                .unwrap()
                .bytes,
            relayed: false,
        })
    };
    let rep = world.store.account(ORG, REP).await.unwrap().unwrap();
    let device = world.device().await;
    for (change, accepted) in [(over, false), (claim, false), (beside, true)] {
        let request = World::request(vec![change], Vec::new(), 0);
        let reply = world.state.sync.exchange(&rep, &device, request).await.unwrap();
        match &reply.verdicts[0].verdict {
            Verdict::Accepted => assert!(accepted),
            Verdict::Rejected(why) => {
                assert!(!accepted && why.code == RejectionCode::NotAllowed, "{why:?}");
                assert!(why.message.contains("contact"), "{}", why.message);
            }
            other => panic!("{other:?}"),
        }
    }
    let said = stored(&world, id).await.confirmations;
    assert!(said[&Party::Customer].by_link && said.contains_key(&Party::Sales));
}

#[tokio::test]
async fn a_link_that_is_wrong_taken_back_or_of_an_unsigned_delivery_takes_no_answer() {
    let world = World::new().await;
    let mut open_delivery = delivery("DN-8");
    open_delivery.receiver = None;
    open_delivery.confirmations.clear();
    for line in open_delivery.lines.values_mut() {
        line.signed = None;
    }
    let unsigned = world.record(&edit::tree_of(&open_delivery).unwrap()).await;
    let path = link_of(&make_link(&world, SUPERVISOR, unsigned, "Wang").await);
    let page = open(&world, &path, "zh-CN").await;
    assert!(page.body.contains("尚未签收") && !page.body.contains("answer-form"));
    let everything = [("person".to_owned(), "Wang"), ("everything".to_owned(), "1")];
    let refused = answer(&world, &path, &everything).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(stored(&world, unsigned).await.confirmations.is_empty());

    assert_eq!(open(&world, "/d/wrong", "en").await.status, StatusCode::NOT_FOUND);
    let signed = world.record(&edit::tree_of(&delivery("DN-9")).unwrap()).await;
    let path = link_of(&make_link(&world, SUPERVISOR, signed, "Wang").await);
    let secret = csrf(SUPERVISOR);
    let links = format!("/records/{signed}/links");
    let revoked = world
        .post(SUPERVISOR, &links, &[("csrf", &secret), ("do", "revoke")])
        .await;
    assert_eq!(revoked.location(), format!("{links}?done=revoked"));
    assert_eq!(open(&world, &path, "en").await.status, StatusCode::GONE);
    assert_eq!(answer(&world, &path, &everything).await.status, StatusCode::GONE);
    assert!(!stored(&world, signed).await.confirmations[&Party::Customer].by_link);
    let shown = world.get(SUPERVISOR, &links).await.body;
    assert!(shown.contains("taken back") && !shown.contains("revoke-form"));
}

#[tokio::test]
async fn a_link_is_made_only_for_deliveries_that_the_maker_sees_and_for_somebody() {
    let world = World::new().await;
    let id = world.record(&edit::tree_of(&delivery("DN-7")).unwrap()).await;
    let visit = world.visit(SHOP, "no delivery").await;
    assert_eq!(
        make_link(&world, WEST_SUPERVISOR, id, "Wang").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        make_link(&world, SUPERVISOR, visit, "Wang").await.status,
        StatusCode::NOT_FOUND
    );
    let nobody = make_link(&world, SUPERVISOR, id, " ").await;
    assert!(nobody.status == StatusCode::UNPROCESSABLE_ENTITY && nobody.body.contains("whom the link is for"));
    let secret = csrf(SUPERVISOR);
    for days in ["0", "91", "x", "-1", "99999999999"] {
        let fields = [
            ("csrf", secret.as_str()),
            ("do", "make"),
            ("contact", "Li"),
            ("days", days),
        ];
        let reply = world.post(SUPERVISOR, &format!("/records/{id}/links"), &fields).await;
        assert!(reply.body.contains("1 to 90 days"), "{days}");
    }
    assert!(world.store.delivery_links(ORG, id).await.unwrap().is_empty());
}

#[tokio::test]
async fn hostile_and_endless_texts_stay_text_on_the_contacts_page() {
    let long = "长".repeat(6_000);
    let world = World::with_names(HOSTILE, HOSTILE).await;
    for words in [HOSTILE, long.as_str()] {
        let id = world.record(&edit::tree_of(&delivery(words)).unwrap()).await;
        let path = link_of(&make_link(&world, SUPERVISOR, id, "Wang & Söhne <b>").await);
        for language in ["en", "zh"] {
            let page = open(&world, &path, language).await;
            assert_eq!(page.status, StatusCode::OK);
            assert_inert(&page.body);
        }
        let (one, two) = (samples::line(1), samples::line(2));
        let wordy = "x".repeat(10_000);
        let too_long = answer(
            &world,
            &path,
            &[
                ("person".to_owned(), HOSTILE),
                verdict(one, "disputed"),
                (format!("remark-{one}"), &wordy),
                verdict(two, "confirmed"),
            ],
        )
        .await;
        assert_eq!(too_long.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_inert(&too_long.body);
        let taken = answer(
            &world,
            &path,
            &[
                ("person".to_owned(), "\u{202e}gnaW"),
                verdict(one, "disputed"),
                (format!("remark-{one}"), HOSTILE),
                verdict(two, "confirmed"),
            ],
        )
        .await;
        assert_eq!(taken.status, StatusCode::SEE_OTHER);
        assert_inert(&open(&world, &path, "en").await.body);
        assert_inert(&world.get(SUPERVISOR, &format!("/records/{id}")).await.body);
    }
}

#[tokio::test]
async fn whoever_tries_secrets_is_told_to_wait() {
    let world = World::new().await;
    let mut last = StatusCode::NOT_FOUND;
    for number in 0..30 {
        let reply = open(&world, &format!("/d/guess{number}"), "en").await;
        last = reply.status;
        if last == StatusCode::TOO_MANY_REQUESTS {
            assert!(reply.headers.contains_key(header::RETRY_AFTER));
            assert!(reply.body.contains("Too many attempts. Try again in"), "{}", reply.body);
            break;
        }
        assert_eq!(last, StatusCode::NOT_FOUND);
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}
