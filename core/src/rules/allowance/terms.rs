//! The bytes of a grant's terms that the server signs.

use rust_decimal::Decimal;

use crate::model::{GrantMode, GrantTerms};

/// Says what is signed, so that a signature of something else never passes for one of these.
const PREFIX: &[u8] = b"fieldledger grant terms 1\0";

impl GrantTerms {
    /// The canonical bytes that the server signs: equal terms give equal bytes, on every machine and after every
    /// journey through JSON; an amount of 100 and one of 100.00 are equal.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = PREFIX.to_vec();
        for id in [
            self.id.as_bytes(),
            self.device.as_bytes(),
            self.user.as_bytes(),
            self.customer.as_bytes(),
        ] {
            bytes.extend_from_slice(id);
        }
        bytes.extend_from_slice(self.amount.currency.as_str().as_bytes());
        bytes.extend_from_slice(&decimal_bytes(self.amount.amount));
        bytes.extend_from_slice(&self.policy_version.to_be_bytes());
        bytes.extend_from_slice(&self.issued_at.as_millis().to_be_bytes());
        bytes.extend_from_slice(&self.not_after.as_millis().to_be_bytes());
        bytes.push(match self.mode {
            GrantMode::Strict => 0,
            GrantMode::Lease => 1,
        });
        bytes
    }
}

/// Mantissa and scale without trailing zeros: 20 bytes whatever the number, so that no field can reach into the next.
fn decimal_bytes(number: Decimal) -> [u8; 20] {
    let number = number.normalize();
    let mut bytes = [0; 20];
    let (mantissa, scale) = bytes.split_at_mut(16);
    mantissa.copy_from_slice(&number.mantissa().to_be_bytes());
    scale.copy_from_slice(&number.scale().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::model::{Currency, CustomerId, DeviceId, GrantId, GrantMode, GrantTerms, Money, Timestamp, UserId};

    fn terms(amount: &str) -> GrantTerms {
        GrantTerms {
            id: GrantId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([2; 16]),
            user: UserId::from_bytes([3; 16]),
            customer: CustomerId::from_bytes([4; 16]),
            amount: Money::new(amount.parse().unwrap(), Currency::CNY),
            policy_version: 7,
            issued_at: Timestamp::from_millis(1),
            not_after: Timestamp::from_millis(2),
            mode: GrantMode::Lease,
        }
    }

    #[test]
    fn equal_terms_have_equal_bytes_and_every_field_changes_them() {
        let bytes = terms("100").canonical_bytes();
        assert_eq!(bytes, terms("100.00").canonical_bytes());
        let json = serde_json::to_string(&terms("100.0")).unwrap();
        let read: GrantTerms = serde_json::from_str(&json).unwrap();
        assert_eq!(bytes, read.canonical_bytes());
        let mut others = vec![terms("1000"), terms("1")];
        let mut change = |change: &dyn Fn(&mut GrantTerms)| {
            let mut other = terms("100");
            change(&mut other);
            others.push(other);
        };
        change(&|it| it.id = GrantId::from_bytes([9; 16]));
        change(&|it| it.device = DeviceId::from_bytes([9; 16]));
        change(&|it| it.user = UserId::from_bytes([9; 16]));
        change(&|it| it.customer = CustomerId::from_bytes([9; 16]));
        change(&|it| it.amount.currency = Currency::USD);
        change(&|it| it.policy_version = 8);
        change(&|it| it.issued_at = Timestamp::from_millis(9));
        change(&|it| it.not_after = Timestamp::from_millis(9));
        change(&|it| it.mode = GrantMode::Strict);
        for other in &others {
            assert_ne!(bytes, other.canonical_bytes(), "{other:?}");
        }
    }
}
