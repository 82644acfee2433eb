//! The platform without I/O.

use serde_json::{Value, json};

use super::*;

const SESSIONS: &str = "/restapi/v1.0/account/~/telephony/sessions";

/// A platform, its clock, and a client in a session of the WebSocket gateway.
struct World {
    platform: Platform,
    elapsed: Duration,
    owner: u64,
    token: String,
}

fn request(method: &str, path: &str, body: Value, authorization: Option<String>) -> Request {
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        authorization,
        accept: String::new(),
        body: body.to_string().into_bytes(),
        base: String::new(),
    }
}

fn done(answer: Answer) -> Value {
    match answer {
        Answer::Reply(Reply { body: Body::Json(body), .. }) => body,
        Answer::Reply(other) => panic!("{other:?}"),
        Answer::Handshake(_) => panic!("a handshake"),
    }
}

impl World {
    fn start(seed: u64) -> Self {
        let config = Config { calls_per_user: 0.0, seed, ..Config::default() };
        let mut platform = Platform::new(config, Timestamp::from_millis(1_780_315_200_000));
        let mut inputs = platform.at(Duration::ZERO);
        let assertion = inputs.jwt(0).unwrap();
        let form = format!(
            "client_id=fake-client&grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}"
        );
        let mut login = request("POST", "/restapi/oauth/token", Value::Null, None);
        login.body = form.into_bytes();
        let access = done(inputs.answer(&login))["access_token"].as_str().unwrap().to_owned();
        let bearer = Some(format!("Bearer {access}"));
        let access = done(inputs.answer(&request("POST", "/restapi/oauth/wstoken", Value::Null, bearer)));
        let (owner, connection) = inputs.connect(access["ws_access_token"].as_str().unwrap(), None).unwrap();
        Self { platform, elapsed: Duration::ZERO, owner, token: connection.token }
    }

    fn inputs(&mut self) -> Inputs<'_> {
        self.platform.at(self.elapsed)
    }

    fn subscribe(&mut self, delivery: Value) -> Answer {
        let body = json!({ "eventFilters": [SESSIONS], "deliveryMode": delivery });
        let (owner, token) = (self.owner, self.token.clone());
        let create = request("POST", "/restapi/v1.0/subscription", body, None);
        self.inputs().answer_in_session(owner, &token, &create)
    }

    /// Polls for some minutes; returns the deliveries.
    fn run(&mut self, minutes: u64) -> Vec<Outgoing> {
        let end = self.elapsed + Duration::from_secs(60 * minutes);
        let mut outgoing = Vec::new();
        while self.elapsed < end {
            let wait = self.inputs().poll();
            outgoing.extend(self.inputs().take_outgoing());
            self.elapsed += wait;
        }
        outgoing
    }
}

fn play(world: &mut World, scenario: &str) {
    world.inputs().play(0, &Scenario::named(scenario).unwrap()).unwrap();
}

#[test]
fn the_same_inputs_cause_the_same_deliveries() {
    let frames = |seed| {
        let mut world = World::start(seed);
        done(world.subscribe(json!({ "transportType": "WebSocket" })));
        play(&mut world, "attended");
        world.run(20)
    };
    let first = frames(1);
    assert!(first.len() > 10, "{} frames", first.len());
    assert!(first.iter().all(|outgoing| matches!(outgoing, Outgoing::Frame { connection: 1, .. })));
    assert_eq!(frames(1), first);
    assert_ne!(frames(2), first);
}

#[test]
fn a_webhook_is_subscribed_only_after_its_handshake() {
    let mut world = World::start(1);
    let webhook = json!({ "transportType": "WebHook", "address": "http://127.0.0.1/hook" });
    let Answer::Handshake(handshake) = world.subscribe(webhook.clone()) else { panic!("no handshake") };
    let (number, refused) =
        world.inputs().finish_handshake(handshake, Err(HandshakeError::Refused(crate::Refusal::NoToken)));
    assert_eq!((number, refused.status), (None, 400));
    let Answer::Handshake(handshake) = world.subscribe(webhook) else { panic!("no handshake") };
    let (number, reply) = world.inputs().finish_handshake(handshake, Ok(()));
    assert_eq!(reply.status, 200);
    play(&mut world, "inbound");
    let posts = world.run(20);
    assert!(!posts.is_empty());
    let is_own = |outgoing: &Outgoing| matches!(outgoing, Outgoing::Post { subscription, .. } if Some(*subscription) == number);
    assert!(posts.iter().all(is_own));
}
