//! Documents that several people write, in whatever order their changes come, and those that this version cannot write.

use super::*;

/// What one phone recorded reaches another, byte for byte the same tree.
#[test]
fn two_people_edit_one_delivery_and_both_edits_survive() {
    let (rep, driver) = (Phone::rep(), Phone::of(2, &[Role::Driver]));
    let new = NewDelivery {
        customer: CustomerId::from_bytes([50; 16]),
        number: "DN-1".to_owned(),
        order_number: None,
        planned_for: None,
        lines: vec![NewDeliveryLine {
            product: ProductId::from_bytes([60; 16]),
            quantity: 10.into(),
            batch: None,
        }],
    };
    let id = rep.store.new_delivery(new).unwrap().id;
    assert_eq!(rep.send_to(&driver), 1);
    let mut by_rep = rep.store.delivery(id).unwrap().unwrap();
    by_rep.value.note = "gate 3".to_owned();
    rep.store.save(&by_rep).unwrap();
    rep.store
        .confirm(id, Party::Sales, ConfirmationVerdict::Confirmed, "")
        .unwrap();
    let mut by_driver = driver.store.delivery(id).unwrap().unwrap();
    by_driver.value.note = "gate 4".to_owned();
    driver.store.save(&by_driver).unwrap();
    driver
        .store
        .confirm(id, Party::Warehouse, ConfirmationVerdict::Confirmed, "")
        .unwrap();
    rep.send_to(&driver);
    driver.send_to(&rep);
    assert_eq!(rep.store.tree(id).unwrap(), driver.store.tree(id).unwrap());
    let merged = rep.store.delivery(id).unwrap().unwrap();
    assert_eq!(merged.value.confirmations.len(), 2);
    assert_eq!(rep.store.row(id).unwrap().unwrap().disagreements, 1);
    let disagreement = rep.store.disagreements(id).unwrap().remove(0);
    assert_eq!(disagreement.path, ["note"]);
    let mut authors: Vec<_> = disagreement.values.iter().map(|it| it.author.unwrap().user).collect();
    authors.sort();
    assert_eq!(authors, [rep.user, driver.user]);
    // Choosing the value that is shown settles it too.
    rep.store.settle_with(id, &disagreement.path, 0).unwrap();
    assert!(rep.store.disagreements(id).unwrap().is_empty());
    assert!(rep.store.settle_with(id, &disagreement.path, 0).is_err());
    rep.send_to(&driver);
    assert!(driver.store.disagreements(id).unwrap().is_empty());
    assert_eq!(driver.store.row(id).unwrap().unwrap().disagreements, 0);
}

/// Two maps written over each other: the chosen one is written whole, so that no part of the other is left to disagree.
#[test]
fn a_disagreement_between_two_maps_ends_with_either_of_them() {
    for chosen in [0, 1] {
        let (rep, driver) = (Phone::rep(), Phone::of(2, &[Role::Driver]));
        let id = rep
            .store
            .new_delivery(NewDelivery {
                customer: CustomerId::from_bytes([50; 16]),
                number: "DN-1".to_owned(),
                order_number: None,
                planned_for: None,
                lines: vec![NewDeliveryLine {
                    product: ProductId::from_bytes([60; 16]),
                    quantity: 10.into(),
                    batch: None,
                }],
            })
            .unwrap()
            .id;
        rep.send_to(&driver);
        for (phone, name, number) in [(&rep, "周老板", None), (&driver, "Old Zhou", Some("139"))] {
            let mut delivery = phone.store.delivery(id).unwrap().unwrap();
            delivery.value.receiver = Some(Receiver {
                name: name.to_owned(),
                phone: number.map(str::to_owned),
                at: Timestamp::from_millis(MORNING),
                position: None,
            });
            phone.store.save(&delivery).unwrap();
        }
        rep.send_to(&driver);
        driver.send_to(&rep);
        let disagreement = rep.store.disagreements(id).unwrap().remove(0);
        assert_eq!(disagreement.path, ["receiver"]);
        rep.store.settle_with(id, &disagreement.path, chosen).unwrap();
        assert_eq!(rep.store.disagreements(id).unwrap(), []);
        rep.send_to(&driver);
        for phone in [&rep, &driver] {
            assert_eq!(phone.store.disagreements(id).unwrap(), []);
            assert_eq!(
                phone.store.tree(id).unwrap().unwrap()["receiver"],
                disagreement.values[chosen].value
            );
        }
    }
}

#[test]
fn an_edit_of_a_value_read_long_ago_does_not_undo_what_came_since() {
    let phone = Phone::rep();
    let visit = phone
        .store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    let mut old = visit.clone();
    let mut new = visit;
    new.value.note = "first".to_owned();
    phone.store.save(&new).unwrap();
    old.value.outcome = Some(VisitOutcome::Closed);
    let saved = phone.store.save(&old).unwrap();
    assert_eq!(saved.value.note, "first");
    assert_eq!(saved.value.outcome, Some(VisitOutcome::Closed));
    assert_eq!(saved.heads.len(), 2, "the edit stands beside the other one");
    let waiting = phone.store.status().unwrap().waiting;
    assert_eq!(phone.store.save(&saved).unwrap(), saved);
    assert_eq!(
        phone.store.status().unwrap().waiting,
        waiting,
        "nothing changed, nothing to send"
    );
}

/// A document as another phone would have made it.
fn foreign(number: u8, tree: &serde_json::Value) -> crate::document::NewChange {
    let authorship = Authorship {
        user: UserId::from_bytes([number; 16]),
        device: DeviceId::from_bytes([number; 16]),
        at: Timestamp::from_millis(MORNING),
        zone_minutes: 0,
        since_contact_millis: None,
    };
    crate::document::create(DocumentId::from_bytes([number; 16]), tree, &authorship).unwrap()
}

#[test]
fn what_a_newer_version_made_is_listed_and_shown_and_never_changed_or_lost() {
    let phone = Phone::rep();
    let customer = CustomerId::from_bytes([50; 16]);
    let drone = serde_json::json!({
        "kind": "drone_flight", "schema": 3, "customer": customer.to_string(), "title": "Flight 12", "height": 40,
    });
    let change = foreign(70, &drone);
    phone.receive_change(change.document, &change.bytes);
    let rows = phone.store.timeline(customer, None, 10).unwrap();
    assert_eq!(rows[0].kind, DocumentKind::Unknown("drone_flight".to_owned()));
    assert!(rows[0].newer);
    assert_eq!(rows[0].title, "Flight 12");
    assert_eq!(phone.store.tree(change.document).unwrap().unwrap(), drone);

    let mut visit = crate::document::edit::tree_of(&Visit::new(customer, phone.user, VisitPurpose::Sales)).unwrap();
    visit["schema"] = 2.into();
    let change = foreign(71, &visit);
    phone.receive_change(change.document, &change.bytes);
    let mut read = phone.store.visit(change.document).unwrap().unwrap();
    assert!(read.newer);
    read.value.note = "no".to_owned();
    assert_eq!(phone.store.save(&read), Err(FieldError::MadeByNewerVersion));

    // A field that a newer version added to the schema we know survives our edit.
    visit["schema"] = 1.into();
    visit["mood"] = "good".into();
    let change = foreign(72, &visit);
    phone.receive_change(change.document, &change.bytes);
    let mut read = phone.store.visit(change.document).unwrap().unwrap();
    read.value.note = "yes".to_owned();
    phone.store.save(&read).unwrap();
    let tree = phone.store.tree(change.document).unwrap().unwrap();
    assert_eq!((&tree["mood"], &tree["note"]), (&"good".into(), &"yes".into()));
}

#[test]
fn a_refused_change_stays_with_its_document_and_its_reason() {
    let phone = Phone::rep();
    let visit = phone
        .store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    let waiting = phone.store.read(|it| crate::db::outbox::waiting(it, 0, 10, 1)).unwrap();
    phone
        .store
        .write(&[], |it| {
            crate::db::outbox::reject(it, waiting[0].change, 2, "not your territory")
        })
        .unwrap();
    let refused = RowSync::Rejected {
        code: 2,
        message: "not your territory".to_owned(),
    };
    assert_eq!(phone.store.row(visit.id).unwrap().unwrap().sync, refused);
    // What was written after it is refused too, and says less about why.
    let checked_out = phone.store.check_out(visit.id, CheckOut::default()).unwrap();
    let waiting = phone.store.read(|it| crate::db::outbox::waiting(it, 0, 10, 1)).unwrap();
    phone
        .store
        .write(&[], |it| {
            crate::db::outbox::reject(it, waiting[0].change, 3, "builds on another")
        })
        .unwrap();
    assert_eq!(phone.store.row(visit.id).unwrap().unwrap().sync, refused);
    phone.store.dismiss_rejected(checked_out.heads[0]).unwrap();
    let status = phone.store.status().unwrap();
    assert_eq!((status.waiting, status.rejected.len()), (0, 1));
    assert_eq!(phone.store.today(None).unwrap().rejected.len(), 1);
    phone.store.dismiss_rejected(visit.heads[0]).unwrap();
    assert!(phone.store.status().unwrap().rejected.is_empty());
    assert!(phone.store.today(None).unwrap().rejected.is_empty());
    assert_eq!(
        phone.store.row(visit.id).unwrap().unwrap().sync,
        refused,
        "only the notice is hidden"
    );
    let kept = phone.store.write(&[], |it| {
        let stream = streams::reference(it, StreamId::Territory(TERRITORY))?;
        it.execute("UPDATE document SET stream = ?1", [stream])?;
        documents::remove(it, stream, visit.id)
    });
    assert_eq!(kept, Ok(documents::Removed::Kept), "not even when its stream goes");
    assert!(phone.store.visit(visit.id).unwrap().is_some());
}

#[test]
fn changes_that_come_in_any_order_and_a_snapshot_give_the_same_document() {
    let (rep, other) = (Phone::rep(), Phone::of(2, &[Role::Rep]));
    let mut visit = rep
        .store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    for note in ["one", "two", "three"] {
        visit.value.note = note.to_owned();
        visit = rep.store.save(&visit).unwrap();
    }
    let mut chunks = rep
        .store
        .read(|connection| {
            let found = documents::find(connection, visit.id)?.unwrap();
            documents::chunks(connection, found.row)
        })
        .unwrap();
    let snapshot = crate::document::snapshot(&crate::document::open(&chunks).unwrap());
    chunks.reverse();
    for (index, chunk) in chunks.iter().enumerate() {
        assert_eq!(
            other.store.tree(visit.id).unwrap(),
            None,
            "nothing is shown before change {index}"
        );
        other.receive_change(visit.id, chunk);
        assert!(matches!(
            other.receive_change(visit.id, chunk),
            documents::Inserted::Duplicate { .. }
        ));
    }
    assert_eq!(other.store.visit(visit.id).unwrap().unwrap().value, visit.value);
    // A snapshot takes the place of the changes in it and acknowledges them.
    for phone in [&rep, &other, &Phone::of(3, &[Role::Rep])] {
        phone
            .store
            .write(&[], |transaction| {
                let stream = streams::reference(transaction, StreamId::Territory(TERRITORY))?;
                documents::insert_remote_snapshot(transaction, Some(stream), visit.id, &snapshot)
            })
            .unwrap();
        assert_eq!(phone.store.visit(visit.id).unwrap().unwrap(), visit);
        assert_eq!(phone.store.status().unwrap().waiting, 0);
    }
    let mut edited = rep.store.visit(visit.id).unwrap().unwrap();
    edited.value.note = "four".to_owned();
    assert_eq!(rep.store.save(&edited).unwrap().value.note, "four");
}
