//! What surrounds the content of a page: navigation, the choice of a tenant, the time zone.

use wholecall_store::Scope;

use super::visitor::{Viewer, Visitor};

/// The frame of a page.
pub(super) struct Frame {
    /// The current entry of the navigation.
    pub(super) page: &'static str,
    /// The tenant whose data the page shows.
    pub(super) tenant: Option<String>,
    /// The parameter that links repeat: the tenant that an operator chose. May be empty.
    pub(super) query: String,
    /// The tenants that an operator can choose.
    pub(super) choices: Vec<String>,
    pub(super) zone: String,
    pub(super) may_export: bool,
    pub(super) may_write: bool,
}

impl Frame {
    /// For a page that shows one tenant's data.
    pub(super) fn new(page: &'static str, viewer: &Viewer) -> Self {
        Self::with_tenant(page, &viewer.visitor, Some(viewer.tenant.name.clone()))
    }

    pub(super) fn with_tenant(page: &'static str, visitor: &Visitor, tenant: Option<String>) -> Self {
        let chosen = tenant.as_ref().filter(|_| visitor.is_operator);
        let names = visitor.tenants.iter().map(|tenant| tenant.name.clone());
        Self {
            page,
            query: chosen.map(|name| format!("tenant={name}")).unwrap_or_default(),
            tenant,
            choices: if visitor.is_operator { names.collect() } else { Vec::new() },
            zone: visitor.zone.name.clone(),
            may_export: visitor.scope >= Scope::Export,
            may_write: visitor.scope >= Scope::Write,
        }
    }

    /// The address of a link to a page.
    pub(super) fn to(&self, path: impl AsRef<str>) -> String {
        let path = path.as_ref();
        match (self.query.as_str(), path.contains('?')) {
            ("", _) => path.to_owned(),
            (query, true) => format!("{path}&{query}"),
            (query, false) => format!("{path}?{query}"),
        }
    }
}
