//! Lists of records, page by page.

use serde_json::{Value, json};

use super::{
    reply::Reply,
    request::{Request, escape},
};

/// RingCentral's maximum page size.
const MAX_PER_PAGE: usize = 1000;

/// One page of records, with paging and navigation. Only enumerated lists state their total; the call log does
/// not.
pub(crate) fn page(request: &Request, records: Vec<Value>, is_enumerated: bool) -> Result<Reply, Reply> {
    let number = |name: &str, default: usize| match request.parameter(name) {
        None => Ok(default),
        Some("max") if name == "perPage" => Ok(MAX_PER_PAGE),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| Reply::bad_parameter("CMN-101", name, text, "")),
    };
    let (page, per_page) = (number("page", 1)?, number("perPage", 100)?.min(MAX_PER_PAGE));
    let total = records.len();
    let pages = total.div_ceil(per_page).max(1);
    let start = (page - 1).saturating_mul(per_page).min(total);
    let shown: Vec<Value> = records.into_iter().skip(start).take(per_page).collect();
    let others = request.query.iter().filter(|(name, _)| name != "page" && name != "perPage");
    let query = others.fold(String::new(), |query, (name, value)| query + name + "=" + &escape(value) + "&");
    let address =
        |page: usize| format!("{}{}?{query}page={page}&perPage={per_page}", request.base, request.path);
    let mut paging = json!({ "page": page, "perPage": per_page, "pageStart": start });
    if !shown.is_empty() {
        paging["pageEnd"] = (start + shown.len() - 1).into();
    }
    let mut navigation = json!({ "firstPage": { "uri": address(1) } });
    if page < pages {
        navigation["nextPage"] = json!({ "uri": address(page + 1) });
    }
    if page > 1 {
        navigation["previousPage"] = json!({ "uri": address(page - 1) });
    }
    if is_enumerated {
        paging["totalPages"] = pages.into();
        paging["totalElements"] = total.into();
        navigation["lastPage"] = json!({ "uri": address(pages) });
    }
    Ok(Reply::ok(json!({
        "uri": address(page), "records": shown, "paging": paging, "navigation": navigation
    })))
}
