//! The pages of the administrator.

use axum::http::StatusCode;
use fieldledger_core::model::{DeviceId, Timestamp};

use super::world::{ADMINISTRATOR, NOON, ORG, PHONE, REP, SUPERVISOR, World, csrf};
use crate::{
    auth::hash_secret,
    store::{NewDevice, PeopleStore as _},
};

#[tokio::test]
async fn an_administrator_enrols_a_phone_and_shuts_it_out() {
    let world = World::new().await;
    let secret = csrf(ADMINISTRATOR);
    let fields = [("csrf", secret.as_str()), ("person", &REP.to_string())];
    let made = world.post(ADMINISTRATOR, "/devices/enrolment", &fields).await.body;
    let code = made
        .split("id=\"enrolment-code\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let redeemed = world
        .store
        .redeem_enrolment(
            &hash_secret(code),
            NewDevice {
                id: DeviceId::from_bytes([0x52; 16]),
                token_hash: [8; 32],
                name: "second".to_owned(),
                platform: "iOS".to_owned(),
                app_version: "1".to_owned(),
                installation: [1; 16],
                address: "loopback".to_owned(),
            },
            Timestamp::from_millis(NOON),
        )
        .await
        .unwrap();
    assert!(matches!(redeemed, crate::store::Redemption::Enrolled(account) if account.user == REP));
    for person in [SUPERVISOR.to_string(), "x".to_owned()] {
        let fields = [("csrf", secret.as_str()), ("person", person.as_str())];
        assert_eq!(
            world.post(ADMINISTRATOR, "/devices/enrolment", &fields).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    let list = world.get(ADMINISTRATOR, "/devices").await.body;
    assert!(list.contains("second") && list.contains(&format!("/devices/{PHONE}/revoke")));
    let revoked = world
        .post(ADMINISTRATOR, &format!("/devices/{PHONE}/revoke"), &[("csrf", &secret)])
        .await;
    assert_eq!(revoked.location(), "/devices");
    assert!(
        world
            .get(ADMINISTRATOR, "/devices")
            .await
            .body
            .contains("revoked 2026-03-02")
    );
    let audit = world.store.audit_log(ORG, 10).await.unwrap();
    assert!(
        audit
            .iter()
            .any(|entry| entry.action == "device.revoked" && entry.actor == ADMINISTRATOR.to_string())
    );
}

#[tokio::test]
async fn a_phone_is_silent_on_every_page_after_the_same_time() {
    for (hours, silent) in [(47, false), (49, true)] {
        let world = World::new().await;
        world
            .store
            .device_contact(crate::store::DeviceContact {
                organisation: ORG,
                device: PHONE,
                token_hash: [2; 32],
                app_version: "1.0".to_owned(),
                waiting: 0,
                clock_ahead_millis: 0,
                now: Timestamp::from_millis(NOON - hours * 3_600_000),
            })
            .await
            .unwrap();
        for page in ["/devices", "/team"] {
            let body = world.get(ADMINISTRATOR, page).await.body;
            assert_eq!(body.contains("silent for"), silent, "{page} after {hours} hours");
        }
        let today = world.get(ADMINISTRATOR, "/").await.body;
        assert_eq!(today.contains("deck-stale"), silent, "today after {hours} hours");
    }
}
