//! The description of the interface for software.

use axum::Json;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// What a phone sends to become a device.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct Enrolment {
    /// The one-time code that an administrator made.
    #[schema(example = "ABCD-1234-EFGH")]
    code: String,
    /// What to call the device.
    device_name: String,
    /// `ios`, `android`, `cli`, ….
    platform: String,
    /// The app's version.
    app_version: String,
    /// Random name of the installation, 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{32}$")]
    installation: String,
}

/// What an enrolled phone knows of itself.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct Enrolled {
    /// The company's id.
    #[schema(format = "uuid")]
    organisation: String,
    /// Its name.
    organisation_name: String,
    /// The person's id.
    #[schema(format = "uuid")]
    user: String,
    /// Their name.
    user_name: String,
    /// `rep`, `driver`, `supervisor`, `finance`, `administrator`.
    roles: Vec<String>,
    /// The device's id.
    #[schema(format = "uuid")]
    device: String,
    /// Secret that authenticates the device from now on.
    token: String,
    /// The server's clock, in ms since 1970.
    server_time: i64,
}

/// News of a stream.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct Grown {
    /// The stream's name, in hexadecimal digits.
    #[schema(example = "63")]
    stream: String,
    /// Its newest seq.
    seq: u64,
}

/// An error.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct Problem {
    /// Stable name, for software.
    #[schema(example = "revoked")]
    code: String,
    /// What happened and what to do, for a person.
    message: String,
}

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = |description: &str| {
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some(description))
                    .build(),
            )
        };
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("device_token", bearer("Token of an enrolled device"));
        components.add_security_scheme("api_token", bearer("Token of `fieldledger token create`"));
        components.add_security_scheme("metrics_token", bearer("Token of `--metrics-token`"));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fieldledger",
        description = "The interface of Fieldledger's sync server. The exchange itself is CBOR and described in \
                       docs/protocol.md.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    paths(
        super::sync::sync,
        super::live::live,
        super::enrol::enrol,
        super::evidence::about,
        super::evidence::begin,
        super::evidence::come,
        super::evidence::append,
        super::evidence::fetch,
        super::health::healthz,
        super::health::readyz,
        super::health::metrics,
        document,
    ),
    components(schemas(Enrolment, Enrolled, Grown, Problem, super::finance::FieldProblem)),
    modifiers(&Tokens)
)]
struct Interface;

/// The description of the interface.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut whole = Interface::openapi();
    whole.merge(super::finance::FinanceInterface::openapi());
    whole
}

/// The description of this interface.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "OpenAPI description", body = serde_json::Value))
)]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_is_documented_and_nothing_else_is() {
        let json = serde_json::to_value(openapi()).unwrap();
        let documented: BTreeSet<(String, String)> = json["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object()
                    .unwrap()
                    .keys()
                    .map(|method| (method.clone(), path.clone()))
            })
            .collect();
        let there: BTreeSet<(String, String)> = crate::api::routes()
            .iter()
            .map(|route| (route.method.to_owned(), route.path.to_owned()))
            .collect();
        assert_eq!(documented, there);
    }

    #[test]
    fn every_schema_that_is_named_is_described() {
        let json = serde_json::to_value(openapi()).unwrap();
        let described = json["components"]["schemas"].as_object().unwrap();
        let mut left = vec![&json];
        let mut named = 0;
        while let Some(value) = left.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(name)) = fields.get("$ref") {
                        let name = name.strip_prefix("#/components/schemas/").unwrap();
                        assert!(described.contains_key(name), "{name}");
                        named += 1;
                    }
                    left.extend(fields.values());
                }
                Value::Array(items) => left.extend(items),
                _ => {}
            }
        }
        assert!(named > 100, "{named}");
    }

    #[test]
    fn the_documented_fields_are_those_that_are_sent() {
        let json = serde_json::to_value(openapi()).unwrap();
        let documented = |name: &str| -> BTreeSet<String> {
            let schema = &json["components"]["schemas"][name]["properties"];
            schema.as_object().unwrap().keys().cloned().collect()
        };
        let fields = |value: Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
        let (request, response, error) = crate::api::enrol::examples();
        assert_eq!(documented("Enrolment"), fields(serde_json::to_value(request).unwrap()));
        assert_eq!(documented("Enrolled"), fields(serde_json::to_value(response).unwrap()));
        assert_eq!(documented("Problem"), fields(serde_json::to_value(error).unwrap()));
    }
}
