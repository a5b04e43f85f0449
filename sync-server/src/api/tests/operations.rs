//! What an operator does.

use fieldledger_core::model::Role;

use crate::{
    cli::operation::{Action, Operation, perform},
    store::AuditEntry,
    testing::{DORA, Fixture, ORGANISATION, empty_request},
};

async fn act(fixture: &Fixture, action: Action) -> Result<String, String> {
    let operation = Operation::Within {
        organisation: None,
        action,
    };
    let outcome = perform(&fixture.state, operation).await;
    outcome.map(|it| it.text).map_err(|failure| failure.to_string())
}

#[tokio::test]
async fn an_operator_makes_an_account_enrols_a_phone_and_shuts_it_out_and_all_is_audited() {
    let fixture = Fixture::new().await;
    let new = |login: &str, territory: &str| Action::AddUser {
        login: login.to_owned(),
        name: "Mia".to_owned(),
        roles: vec![Role::Rep],
        territories: vec![territory.to_owned()],
        supervisor: Some("carla".to_owned()),
        password: None,
    };
    let error = act(&fixture, new("mia", "Nroth")).await.unwrap_err();
    assert!(error.contains("\"Nroth\"; there is: North, South"), "{error}");
    assert!(
        act(&fixture, new("Anna", "North"))
            .await
            .unwrap_err()
            .contains("belongs to Anna already")
    );
    assert!(
        act(&fixture, new("m ia", "North"))
            .await
            .unwrap_err()
            .contains("cannot be a login")
    );
    act(&fixture, new("Mia", "South")).await.unwrap();
    let enrol = Action::EnrolDevice {
        login: "mia".to_owned(),
        hours: None,
    };
    let text = act(&fixture, enrol.clone()).await.unwrap();
    let answer = fixture.enrol(text.lines().next().unwrap()).await;
    let phone: fieldledger_core::sync::protocol::EnrolResponse = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(phone.user_name, "Mia");
    let list = act(&fixture, Action::ListDevices).await.unwrap();
    assert!(list.contains(&phone.device.to_string()), "{list}");
    let revoke = |device: &str| Action::RevokeDevice {
        device: device.to_owned(),
    };
    assert!(
        act(&fixture, revoke(""))
            .await
            .unwrap_err()
            .contains("there is no device")
    );
    act(&fixture, revoke(&phone.device.to_string()[..8])).await.unwrap();
    assert_eq!(fixture.exchange(&phone.token, &empty_request()).await.code(), "revoked");
    let disable = Action::SetDisabled {
        login: "mia".to_owned(),
        disabled: true,
    };
    act(&fixture, disable).await.unwrap();
    assert!(act(&fixture, enrol).await.unwrap_err().contains("user enable mia"));
    assert_eq!(
        fixture.audited().await,
        [
            "user.created",
            "device.code_made",
            "device.enrolled",
            "device.revoked",
            "user.disabled"
        ]
    );
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_begun_with_the_old_one() {
    let fixture = Fixture::new().await;
    let (cookie, _) = fixture.session(DORA).await;
    let token = cookie.split_once('=').unwrap().1;
    let now = fixture.state.clock.now();
    let hash = crate::auth::hash_secret(token);
    assert!(fixture.state.store.session(&hash, now).await.unwrap().is_some());
    let set = |password: &str| Action::SetPassword {
        login: "dora".to_owned(),
        password: password.to_owned(),
    };
    assert!(act(&fixture, set("short")).await.unwrap_err().contains("at least 10"));
    act(&fixture, set("another long one")).await.unwrap();
    assert!(fixture.state.store.session(&hash, now).await.unwrap().is_none());
}

#[tokio::test]
async fn with_several_organisations_the_operator_has_to_say_which() {
    let fixture = Fixture::new().await;
    let create = Operation::CreateOrganisation {
        name: "Other".to_owned(),
        time_zone: chrono_tz::UTC,
        currency: fieldledger_core::model::Currency::USD,
        geofence_metres: 100,
    };
    perform(&fixture.state, create.clone()).await.unwrap();
    assert!(perform(&fixture.state, create).await.is_err());
    let error = act(&fixture, Action::ListUsers).await.unwrap_err();
    assert!(error.contains("--organisation: Linden, Other"), "{error}");
    let there = Operation::Within {
        organisation: Some("Other".to_owned()),
        action: Action::SetPassword {
            login: "anna".to_owned(),
            password: "another long one".to_owned(),
        },
    };
    let error = perform(&fixture.state, there).await.unwrap_err().to_string();
    assert!(error.contains("no account \"anna\" in Other"), "{error}");
}

#[tokio::test]
async fn verify_tells_that_nothing_is_wrong_when_nothing_is() {
    let fixture = Fixture::new().await;
    let entry = AuditEntry {
        at: fixture.state.clock.now(),
        actor: "operator".to_owned(),
        action: "x".to_owned(),
        subject: String::new(),
        detail: String::new(),
    };
    fixture.state.store.audit(ORGANISATION, entry).await.unwrap();
    let outcome = perform(&fixture.state, Operation::Verify).await.unwrap();
    assert!(!outcome.problems, "{}", outcome.text);
}
