//! `/calls/{id}`: one call with its drawing, its explanation, its notifications, versions and deliveries.

use askama::Template;
use axum::{extract::Path, response::Response};
use serde_json::Value;
use wholecall_notification::{Document, Message, Notification, Source};
use wholecall_record::{
    Call, SessionId, Time,
    call::{Evidence, EvidenceKind, Participant, names},
    explanation::{WordedExplanation, WordedStep},
};
use wholecall_render::{
    explanation::letter,
    humanize,
    svg::{Drawing, RenderTarget},
};
use wholecall_store::{CallLookup, Entry, StoredChange, TenantView};

use super::{
    deliveries::{DeliveryRow, delivery_row},
    differences::{self, Difference},
    frame::Frame,
    labels,
    responses::{page, redirect},
    time_zone::Zone,
    visitor::Viewer,
};
use crate::{
    api::{
        calls::{no_call, parse},
        compute, drawing,
        explanation::explanation_of,
    },
    problem::Problem,
};

/// Maximum number of items on the page; the API returns all.
const MAX_DIFFERENCES: usize = 40;
const MAX_NOTIFICATIONS: usize = 500;
const MAX_VERSIONS: usize = 100;
const MAX_DELIVERIES: usize = 100;

/// A sentence of the explanation.
struct StepView {
    time: String,
    text: String,
    rule: Option<String>,
    inferred: bool,
    /// The notifications that prove it, each with its name (`A 8`) and its link (`#n-A-8`).
    evidence: Vec<(String, String)>,
}

/// A notification.
struct NotificationView {
    name: String,
    anchor: String,
    arrived: String,
    /// The time between event and arrival, with a sign.
    lag: String,
    summary: String,
    /// The sentences that it proves: the index and the text of each.
    supports: Vec<(usize, String)>,
    body: String,
}

/// A version of the record.
struct VersionView {
    number: u64,
    kind: &'static str,
    created: String,
    differences: Vec<Difference>,
    /// The number of differences that are not shown.
    hidden_differences: usize,
}

#[derive(Template)]
#[template(path = "call.html")]
struct Page<'c> {
    frame: Frame,
    call: &'c Call,
    title: String,
    facts: Vec<(&'static str, String)>,
    drawing: String,
    clock: String,
    steps: Vec<StepView>,
    explanation: WordedExplanation,
    participants: Vec<ParticipantView>,
    /// The letter and the id of each session.
    sessions: Vec<(String, String)>,
    notifications: Vec<NotificationView>,
    versions: Vec<VersionView>,
    deliveries: Vec<DeliveryRow>,
}

struct ParticipantView {
    name: String,
    kind: &'static str,
    number: String,
    extension: String,
    roles: String,
    ring: String,
    talk: String,
    hold: String,
}

pub(super) async fn call(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Response> {
    let frame = Frame::new("calls", &viewer);
    let zone = viewer.visitor.zone;
    Ok(compute(viewer.reader, move |view| render(view, &id, frame, &zone)).await?)
}

fn render(view: &TenantView, id: &str, frame: Frame, zone: &Zone) -> Result<Response, Problem> {
    let call = match view.call(id, None)? {
        Some(CallLookup::Call(version)) => parse(&version.record)?,
        Some(CallLookup::Merged(into)) => return Ok(redirect(&frame.to(format!("/calls/{into}")))),
        None => return Err(no_call(id)),
    };
    let versions = view.versions(id)?.unwrap_or_default();
    let deliveries = view.deliveries_of_call(id)?;
    let entries = view.notifications(id)?.unwrap_or_default();
    let explanation = explanation_of(view, id)?.ok_or_else(|| no_call(id))?;
    let clock = zone.clock(call.start_time.as_millis());
    Ok(page(&Page {
        frame,
        title: explanation.title.to_string(),
        facts: facts(&call, zone),
        drawing: drawing::svg_text(&call, Drawing { clock, place: RenderTarget::Page })
            .unwrap_or_else(|problem| format!("<p>Not drawn: {}.</p>", problem.detail())),
        clock: clock.name(),
        steps: explanation.steps.iter().map(|step| step_view(&explanation, step, zone)).collect(),
        participants: call
            .participants
            .iter()
            .map(|participant| participant_view(&call, participant))
            .collect(),
        notifications: entries
            .iter()
            .take(MAX_NOTIFICATIONS)
            .filter_map(|entry| notification_view(&explanation, entry, zone))
            .collect(),
        sessions: explanation
            .sessions
            .iter()
            .enumerate()
            .map(|(index, id)| (letter(index), id.to_string()))
            .collect(),
        versions: version_views(&versions, zone),
        deliveries: deliveries
            .iter()
            .take(MAX_DELIVERIES)
            .map(|delivery| delivery_row(view, delivery, zone))
            .collect(),
        explanation,
        call: &call,
    }))
}

fn facts(call: &Call, zone: &Zone) -> Vec<(&'static str, String)> {
    let durations = call.durations;
    let if_any = |millis: i64| Some(millis).filter(|millis| *millis > 0).map(humanize::duration);
    let end = call.end_time.map_or_else(|| "–".to_owned(), |end| zone.show(end.as_millis()));
    let wait = if call.answer_time.is_some() { "Time to answer" } else { "Waited" };
    let at_most = if call.is_talk_inferred() { "at most " } else { "" };
    let mut facts = vec![
        ("Result", labels::result(call.result)),
        ("Status", labels::state(call.state).to_owned()),
        ("Direction", call.direction.as_str().to_owned()),
        ("Started", zone.show(call.start_time.as_millis())),
        ("Ended", end),
        ("Duration", humanize::duration(durations.total_ms)),
        (wait, humanize::duration(durations.wait_ms)),
        ("Talk time", format!("{at_most}{}", humanize::duration(durations.talk_ms))),
    ];
    facts.extend(call.answered_by.as_ref().map(|id| ("Answered by", call.name_and_user(id))));
    facts.extend(call.customer.as_ref().map(|id| ("Customer", call.name(Some(id)))));
    facts.extend(call.end_state.map(|state| ("Last state", labels::end_state(state))));
    facts.extend(call.activity.map(|state| ("Now", labels::end_state(state))));
    facts.extend(if_any(durations.hold_ms).map(|duration| ("Hold time", duration)));
    facts.extend(if_any(durations.parked_ms).map(|duration| ("Park time", duration)));
    facts
}

fn participant_view(call: &Call, participant: &Participant) -> ParticipantView {
    let mut roles: Vec<String> = participant.roles.iter().map(|role| labels::spaced(role.as_str())).collect();
    roles.extend(call.rings_for(participant));
    ParticipantView {
        name: names::name_of(participant),
        kind: humanize::name_of_kind(participant.kind),
        number: participant.phone_number.as_deref().unwrap_or_default().to_owned(),
        extension: participant.extension_id.as_deref().unwrap_or_default().to_owned(),
        roles: roles.join(", "),
        ring: humanize::short_duration(participant.ring_ms),
        talk: humanize::short_duration(participant.talk_ms),
        hold: humanize::short_duration(participant.hold_ms),
    }
}

/// A local time of day with milliseconds.
fn time_of_day(time: Time, zone: &Zone) -> String {
    let millis = time.as_millis().rem_euclid(1_000);
    format!("{}.{millis:03}", zone.clock(time.as_millis()).time(time))
}

/// The name of a notification (`A 8`) and its anchor on the page (`n-A-8`).
fn name_and_anchor(explanation: &WordedExplanation, evidence: &Evidence) -> (String, String) {
    let session = &evidence.telephony_session_id;
    let index = explanation.sessions.iter().position(|known| known == session);
    let session = index.map_or_else(|| session.to_string(), letter);
    let within_session = match (evidence.sequence, &evidence.uuid) {
        (None, Some(uuid)) => uuid.to_string(),
        _ => evidence.place(),
    };
    (format!("{session} {}", evidence.place()), format!("n-{session}-{within_session}"))
}

/// How a record refers to a notification.
fn as_evidence(notification: &Notification<'_, '_>) -> Evidence {
    Evidence {
        telephony_session_id: SessionId::from(notification.session_id()),
        sequence: notification.sequence(),
        kind: match notification.source() {
            Source::Change { .. } => None,
            Source::Snapshot => Some(EvidenceKind::Snapshot),
            Source::CallLog => Some(EvidenceKind::CallLog),
        },
        uuid: notification.uuid().map(Into::into),
    }
}

fn step_view(explanation: &WordedExplanation, step: &WordedStep, zone: &Zone) -> StepView {
    let evidence = step.evidence.iter().map(|evidence| {
        let (name, anchor) = name_and_anchor(explanation, evidence);
        (name, format!("#{anchor}"))
    });
    StepView {
        time: time_of_day(step.time, zone),
        text: step.text.to_string(),
        rule: step.rule.as_ref().map(ToString::to_string),
        inferred: step.inferred,
        evidence: evidence.collect(),
    }
}

/// `None` if the entry is not a notification of a session.
fn notification_view(
    explanation: &WordedExplanation,
    entry: &Entry,
    zone: &Zone,
) -> Option<NotificationView> {
    let document = Document::parse(&entry.body).ok()?;
    let Ok(Message::Session(notification)) = document.message() else { return None };
    let own = as_evidence(&notification);
    let (name, anchor) = name_and_anchor(explanation, &own);
    let supported = explanation.steps.iter().enumerate().filter(|(_, step)| {
        // Duplicates of a state change have different uuids; the answer to a lookup has no sequence, only its own uuid.
        step.evidence.iter().any(|evidence| match own.sequence {
            Some(_) => {
                (&evidence.telephony_session_id, evidence.sequence)
                    == (&own.telephony_session_id, own.sequence)
            }
            None => *evidence == own,
        })
    });
    let summary = notification.body().parties.iter().map(|party| {
        let code = party.status.code.as_deref().unwrap_or("?");
        let reason = party.status.reason.as_deref();
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{} {code}{reason}", party.id())
    });
    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let lag_ms = entry.arrived_ms - notification.event_time().as_millis();
    let sign = if lag_ms < 0 { "" } else { "+" };
    Some(NotificationView {
        name,
        anchor,
        arrived: time_of_day(Time::from_millis(entry.arrived_ms), zone),
        lag: format!("{sign}{}", humanize::duration(lag_ms)),
        summary: summary.collect::<Vec<_>>().join(", "),
        supports: supported.map(|(index, step)| (index, step.text.to_string())).collect(),
        body: serde_json::to_string_pretty(&body).unwrap_or_default(),
    })
}

fn version_views(versions: &[StoredChange], zone: &Zone) -> Vec<VersionView> {
    let records: Vec<Value> =
        versions.iter().map(|version| serde_json::from_str(&version.record).unwrap_or_default()).collect();
    let newest_first = versions.iter().enumerate().rev().take(MAX_VERSIONS);
    newest_first
        .map(|(index, version)| {
            let before = index.checked_sub(1).map(|before| &records[before]);
            let mut differences =
                before.map_or_else(Vec::new, |before| differences::between(before, &records[index]));
            let hidden_differences = differences.len().saturating_sub(MAX_DIFFERENCES);
            differences.truncate(MAX_DIFFERENCES);
            VersionView {
                number: version.version,
                kind: version.kind.as_str(),
                created: zone.show(version.created_ms),
                differences,
                hidden_differences,
            }
        })
        .collect()
}

/// The drawing as a file.
pub(super) async fn svg(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone;
    let choose = move |call: &Call| Drawing {
        clock: zone.clock(call.start_time.as_millis()),
        place: RenderTarget::Alone,
    };
    drawing::svg_of(viewer.reader, id, choose).await.map_err(Response::from)
}

pub(super) async fn png(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone;
    let choose = move |call: &Call| Drawing {
        clock: zone.clock(call.start_time.as_millis()),
        place: RenderTarget::Picture,
    };
    drawing::png_of(viewer.reader, id, choose).await.map_err(Response::from)
}
