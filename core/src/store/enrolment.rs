use super::{Change, DeviceState, FieldStore, Identity};
use crate::{
    db::{lock, meta, outbox},
    error::FieldError,
    model::InvalidField,
    sync::{
        protocol::{EnrolRequest, EnrolResponse},
        transport::{self, EnrolError},
    },
};

impl FieldStore {
    /// Makes this store the phone that `code` is for: a one-time code that was made for a person on the server. The same
    /// person may enrol again, for a new token; a store never changes hands, because its unsent work is the first person's.
    ///
    /// # Errors
    /// [`EnrolError`]: the address, the code, the network; [`FieldError::Invalid`] naming `code` when the code is for
    /// another person or company than this store's.
    pub async fn enrol(&self, server_url: &str, code: &str, device_name: &str) -> Result<Identity, EnrolError> {
        let options = self.options();
        let request = EnrolRequest {
            code: code.trim().to_owned(),
            device_name: device_name.to_owned(),
            platform: options.platform.clone(),
            app_version: options.app_version.clone(),
            installation: options.installation.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let response = transport::enrol(server_url, &request, &options.certificates).await?;
        let (store, server_url) = (self.clone(), server_url.to_owned());
        let adopted = tokio::task::spawn_blocking(move || store.adopt_enrolment(&server_url, response)).await;
        Ok(adopted.unwrap_or_else(|error| Err(FieldError::Internal(error.to_string())))?)
    }

    /// Becomes the device that the server enrolled. The same person may enrol again, for a new token; a store never
    /// changes hands, because its unsent work is the first person's. For [`Self::enrol`] and for tests.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] for another person or company.
    #[doc(hidden)]
    pub fn adopt_enrolment(&self, server_url: &str, enrolment: EnrolResponse) -> Result<Identity, FieldError> {
        if let Some(known) = self.identity()
            && (known.organisation, known.user) != (enrolment.organisation, enrolment.user)
        {
            return Err(FieldError::Invalid(InvalidField::new(
                "code",
                format!(
                    "this phone holds the work of {} at {}; ask for a code for the same person, or use a fresh store",
                    known.user_name, known.organisation_name
                ),
            )));
        }
        let identity = Identity {
            organisation: enrolment.organisation,
            organisation_name: enrolment.organisation_name,
            user: enrolment.user,
            user_name: enrolment.user_name,
            roles: enrolment.roles,
            device: enrolment.device,
            server_url: server_url.to_owned(),
        };
        let another_device = self.identity().is_none_or(|known| known.device != identity.device);
        self.write(&[Change::Status], |transaction| {
            if another_device {
                // What waits was made on the device that this phone was before, and is only brought by the new one.
                outbox::relay_all(transaction)?;
            }
            meta::set(transaction, meta::IDENTITY, &identity)?;
            meta::set(transaction, meta::TOKEN, &enrolment.token)?;
            meta::set(transaction, meta::DEVICE_STATE, &DeviceState::Active)
        })?;
        self.heard_server(enrolment.server_time)?;
        *lock(&self.inner.identity) = Some(identity.clone());
        Ok(identity)
    }
}
