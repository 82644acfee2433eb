//! `/calls/{id}`: one call, drawn and told, with everything that proves it.

use askama::Template;
use axum::{extract::Path, response::Response};
use serde_json::Value;
use wholecall_notification::{Document, Message, Notification, Source};
use wholecall_record::{
    Call, SessionId, Time,
    call::{Evidence, EvidenceKind, names},
    explanation::{WordedExplanation, WordedStep},
};
use wholecall_render::{
    explanation::letter,
    humanize,
    svg::{Drawing, RenderTarget},
};
use wholecall_store::{Entry, Found, StoredChange, TenantView};

use super::{
    answers::{Frame, go_to, page},
    deliveries,
    differences::{self, Difference},
    session::{Viewer, Zone},
};
use crate::{
    api::{
        calls::{no_call, parse},
        compute, drawing,
        story::story_of,
    },
    problem::Problem,
};

/// So many differences of a version are shown, and so many notifications and versions of a call: the API has all.
const DIFFERENCES: usize = 40;
const NOTIFICATIONS: usize = 500;
const VERSIONS: usize = 100;
const DELIVERIES: usize = 100;

/// A sentence of the story.
struct Step {
    time: String,
    text: String,
    rule: Option<String>,
    inferred: bool,
    /// By name and address: `A 8`, `#n-A-8`.
    proofs: Vec<(String, String)>,
}

/// A notification.
struct Told {
    name: String,
    anchor: String,
    arrived: String,
    delay: String,
    says: String,
    proves: Vec<(usize, String)>,
    body: String,
}

/// A version of the record.
struct Version {
    number: u64,
    kind: &'static str,
    made: String,
    differences: Vec<Difference>,
    beyond: usize,
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
    steps: Vec<Step>,
    story: WordedExplanation,
    people: Vec<Person>,
    /// By letter and id.
    sessions: Vec<(String, String)>,
    notifications: Vec<Told>,
    versions: Vec<Version>,
    deliveries: Vec<deliveries::Shown>,
}

struct Person {
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
    let written = compute(viewer.view, move |view| write(view, &id, frame, &zone));
    Ok(written.await?)
}

fn write(view: &TenantView, id: &str, frame: Frame, zone: &Zone) -> Result<Response, Problem> {
    let call = match view.call(id, None)? {
        Some(Found::Call(version)) => parse(&version.record)?,
        Some(Found::Merged(into)) => return Ok(go_to(&frame.to(format!("/calls/{into}")))),
        None => return Err(no_call(id)),
    };
    let versions = view.versions(id)?.unwrap_or_default();
    let delivered = view.deliveries_of_call(id)?;
    let entries = view.notifications(id)?.unwrap_or_default();
    let story = story_of(view, id)?.ok_or_else(|| no_call(id))?;
    let clock = zone.clock(call.start_time.as_millis());
    Ok(page(&Page {
        frame,
        title: story.title.to_string(),
        facts: facts(&call, zone),
        drawing: drawing::svg_text(&call, Drawing { clock, place: RenderTarget::Page })
            .unwrap_or_else(|problem| format!("<p>Not drawn: {}.</p>", problem.detail())),
        clock: clock.name(),
        steps: story.steps.iter().map(|step| shown_step(&story, step, zone)).collect(),
        people: call.participants.iter().map(|participant| person(&call, participant)).collect(),
        notifications: entries
            .iter()
            .take(NOTIFICATIONS)
            .filter_map(|entry| told(&story, entry, zone))
            .collect(),
        sessions: story
            .sessions
            .iter()
            .enumerate()
            .map(|(index, id)| (letter(index), id.to_string()))
            .collect(),
        versions: shown_versions(&versions, zone),
        deliveries: delivered.iter().take(DELIVERIES).map(|one| deliveries::shown(view, one, zone)).collect(),
        story,
        call: &call,
    }))
}

fn facts(call: &Call, zone: &Zone) -> Vec<(&'static str, String)> {
    let lengths = call.durations;
    let has_been = |millis: i64| Some(millis).filter(|millis| *millis > 0).map(humanize::duration);
    let end = call.end_time.map_or_else(|| "–".to_owned(), |end| zone.show(end.as_millis()));
    let at_most = if call.is_talk_inferred() { "at most " } else { "" };
    let mut facts = vec![
        ("Result", humanize::name_of_result(call.result).to_owned()),
        ("State", call.state.as_str().to_owned()),
        ("Direction", call.direction.as_str().to_owned()),
        ("Began", zone.show(call.start_time.as_millis())),
        ("Ended", end),
        ("In all", humanize::duration(lengths.total_ms)),
        ("Waited", humanize::duration(lengths.wait_ms)),
        ("Talked", format!("{at_most}{}", humanize::duration(lengths.talk_ms))),
    ];
    facts.extend(call.answered_by.as_ref().map(|id| ("Answered by", call.name_and_user(id))));
    facts.extend(call.customer.as_ref().map(|id| ("Customer", call.name(Some(id)))));
    facts.extend(call.end_state.map(|state| ("Last state", humanize::name_of_end_state(state).to_owned())));
    facts.extend(call.activity.map(|state| ("Now", humanize::name_of_end_state(state).to_owned())));
    facts.extend(has_been(lengths.hold_ms).map(|length| ("Held", length)));
    facts.extend(has_been(lengths.parked_ms).map(|length| ("Parked", length)));
    facts
}

fn person(call: &Call, participant: &wholecall_record::call::Participant) -> Person {
    let mut roles: Vec<String> = participant.roles.iter().map(|role| role.as_str().to_owned()).collect();
    roles.extend(call.rings_for(participant));
    Person {
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

/// The time of day with milliseconds.
fn exact(time: Time, zone: &Zone) -> String {
    let millis = time.as_millis().rem_euclid(1_000);
    format!("{}.{millis:03}", zone.clock(time.as_millis()).time(time))
}

/// What a notification is called: `A 8`; and where it stands on the page.
fn named(story: &WordedExplanation, proof: &Evidence) -> (String, String) {
    let session = &proof.telephony_session_id;
    let place = story.sessions.iter().position(|known| known == session);
    let session = place.map_or_else(|| session.to_string(), letter);
    let own = match (proof.sequence, &proof.uuid) {
        (None, Some(uuid)) => uuid.to_string(),
        _ => proof.place(),
    };
    (format!("{session} {}", proof.place()), format!("n-{session}-{own}"))
}

/// What a notification proves something as.
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

fn shown_step(story: &WordedExplanation, step: &WordedStep, zone: &Zone) -> Step {
    let proofs = step.evidence.iter().map(|proof| {
        let (name, anchor) = named(story, proof);
        (name, format!("#{anchor}"))
    });
    Step {
        time: exact(step.time, zone),
        text: step.text.to_string(),
        rule: step.rule.as_ref().map(ToString::to_string),
        inferred: step.inferred,
        proofs: proofs.collect(),
    }
}

fn told(story: &WordedExplanation, entry: &Entry, zone: &Zone) -> Option<Told> {
    let document = Document::parse(&entry.body).ok()?;
    let Ok(Message::Session(notification)) = document.message() else { return None };
    let own = as_evidence(&notification);
    let (name, anchor) = named(story, &own);
    let proves = story.steps.iter().enumerate().filter(|(_, step)| {
        let mut evidence = step.evidence.iter();
        // A change has many copies of other ids; an answer is one of its own.
        let is_it = |proof: &Evidence| match own.sequence {
            Some(_) => {
                (&proof.telephony_session_id, proof.sequence) == (&own.telephony_session_id, own.sequence)
            }
            None => *proof == own,
        };
        evidence.any(is_it)
    });
    let says = notification.body().parties.iter().map(|party| {
        let code = party.status.code.as_deref().unwrap_or("?");
        let reason = party.status.reason.as_deref();
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{} {code}{reason}", party.id())
    });
    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let delay_ms = entry.arrived_ms - notification.event_time().as_millis();
    Some(Told {
        name,
        anchor,
        arrived: exact(Time::from_millis(entry.arrived_ms), zone),
        delay: humanize::duration(delay_ms),
        says: says.collect::<Vec<_>>().join(", "),
        proves: proves.map(|(index, step)| (index, step.text.to_string())).collect(),
        body: serde_json::to_string_pretty(&body).unwrap_or_default(),
    })
}

fn shown_versions(versions: &[StoredChange], zone: &Zone) -> Vec<Version> {
    let records: Vec<Value> =
        versions.iter().map(|version| serde_json::from_str(&version.record).unwrap_or_default()).collect();
    let newest_first = versions.iter().enumerate().rev().take(VERSIONS);
    newest_first
        .map(|(index, version)| {
            let before = index.checked_sub(1).map(|before| &records[before]);
            let mut differences =
                before.map_or_else(Vec::new, |before| differences::between(before, &records[index]));
            let beyond = differences.len().saturating_sub(DIFFERENCES);
            differences.truncate(DIFFERENCES);
            Version {
                number: version.version,
                kind: version.kind.as_str(),
                made: zone.show(version.made_ms),
                differences,
                beyond,
            }
        })
        .collect()
}

/// The drawing alone.
pub(super) async fn svg(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone;
    let choose = move |call: &Call| Drawing {
        clock: zone.clock(call.start_time.as_millis()),
        place: RenderTarget::Alone,
    };
    drawing::svg_of(viewer.view, id, choose).await.map_err(Response::from)
}

pub(super) async fn png(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone;
    let choose = move |call: &Call| Drawing {
        clock: zone.clock(call.start_time.as_millis()),
        place: RenderTarget::Picture,
    };
    drawing::png_of(viewer.view, id, choose).await.map_err(Response::from)
}
