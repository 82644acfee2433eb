//! The WebSocket gateway's connections.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, WebSocket};

use crate::{
    platform::{
        frames::{self, Incoming},
        gateway::IDLE_TIMEOUT,
    },
    shell::{Connected, Shell},
};

/// Delay between the first frame and missed notifications: RingCentral's client listens for notifications only a
/// moment after it has received the first frame.
const SETUP_DELAY: Duration = Duration::from_millis(200);

/// Serves one connection until it ends.
pub(crate) async fn serve(
    shell: Arc<Shell>,
    mut socket: WebSocket,
    access_token: String,
    resumed: Option<String>,
) {
    match shell.connect(&access_token, resumed.as_deref()) {
        Some(mut connected) => {
            converse(&shell, &mut socket, &mut connected).await;
            shell.disconnect(&connected.token, connected.connection);
        }
        None => send_last(&mut socket, frames::invalid_token().to_string()).await,
    }
}

/// Sends and answers frames until the connection ends.
async fn converse(shell: &Arc<Shell>, socket: &mut WebSocket, connected: &mut Connected) {
    let details = std::mem::take(&mut connected.details);
    if socket.send(Message::text(details)).await.is_err() {
        return;
    }
    tokio::time::sleep(SETUP_DELAY).await;
    for frame in shell.input(|platform| platform.take_missed(&connected.token)) {
        if socket.send(Message::text(frame)).await.is_err() {
            return;
        }
    }
    loop {
        let frame = tokio::select! {
            frame = connected.frames.recv() => frame,
            incoming = tokio::time::timeout(IDLE_TIMEOUT, socket.recv()) => match incoming {
                Ok(Some(Ok(Message::Text(text)))) => Some(answer(shell, connected, &text).await),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => None,
                Ok(Some(Ok(_))) => continue,
                Err(_) => return send_last(socket, frames::idle_timeout().to_string()).await,
            },
        };
        let Some(frame) = frame else { return };
        if socket.send(Message::text(frame)).await.is_err() {
            return;
        }
    }
}

async fn answer(shell: &Arc<Shell>, connected: &Connected, text: &str) -> String {
    let answer = match frames::parse(text) {
        Incoming::Answered(answer) => answer,
        Incoming::Request(request, message_id) => {
            let reply = shell.answer_in_session(connected.owner, &connected.token, &request).await;
            frames::reply(&message_id, reply)
        }
    };
    answer.to_string()
}

/// Sends a frame before the connection ends.
async fn send_last(socket: &mut WebSocket, frame: String) {
    // The connection ends in any case.
    let _ignored = socket.send(Message::text(frame)).await;
}
