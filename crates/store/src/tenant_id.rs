//! The id of a tenant.

/// The id of a tenant. Code that has one may read the tenant's data: it is obtained only from a name given by the
/// operator, or from a valid secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub(crate) i64);

impl TenantId {
    /// The plain number, for logs and metrics.
    pub fn number(self) -> i64 {
        self.0
    }
}
