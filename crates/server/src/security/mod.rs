//! Keys and secrets of the installation, and the addresses that tenants may make it connect to.

mod egress_policy;
mod seal;
pub mod secret;

pub(crate) use self::seal::connection_owner;
pub use self::{
    egress_policy::EgressPolicy,
    seal::{SealError, SecretKey},
};
