//! Notifications that are written together are compressed together: they repeat much of each other.

use super::arrival::StoredArrival;
use crate::{
    Position, TenantId,
    codec::{self, Kind},
    error::{Result, StoreError},
};

/// Maximum bytes of a batch before compression; the notification that exceeds it is still included.
const MAX_BATCH_BYTES: usize = 256 << 10;

/// Approximate maximum of the bytes that the numbers of a row take.
const ROW_OVERHEAD_BYTES: usize = 16;

/// Tenant, arrival time, session, body.
type Row<'a> = (i64, i64, &'a str, &'a str);

/// Splits notifications into batches of limited length.
pub(super) fn split(received: &[StoredArrival]) -> impl Iterator<Item = &[StoredArrival]> {
    let mut bytes = 0;
    received.chunk_by(move |notification, _| {
        bytes += notification.body.len();
        let has_room = bytes < MAX_BATCH_BYTES;
        bytes *= usize::from(has_room);
        has_room
    })
}

pub(super) fn pack(batch: &[StoredArrival]) -> Result<Vec<u8>> {
    let rows: Vec<Row<'_>> = batch
        .iter()
        .map(|notification| {
            (notification.tenant.0, notification.arrived_ms, &*notification.session, &*notification.body)
        })
        .collect();
    let bytes: usize = batch
        .iter()
        .map(|notification| notification.session.len() + notification.body.len() + ROW_OVERHEAD_BYTES)
        .sum();
    let text = postcard::to_extend(&rows, Vec::with_capacity(bytes))
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    codec::pack(Kind::Notification, &text)
}

/// Reads a batch, given the position of its last notification.
pub(super) fn unpack(last: Position, packed: &[u8]) -> Result<Vec<StoredArrival>> {
    let text = codec::unpack(packed)?;
    let rows: Vec<Row<'_>> = postcard::from_bytes(&text)
        .map_err(|error| StoreError::Damaged(format!("arrivals up to {} cannot be read: {error}", last.0)))?;
    let first = last.0 + 1 - rows.len() as i64;
    let received = (first..).zip(rows).map(|(position, (tenant, arrived_ms, session, body))| StoredArrival {
        position: Position(position),
        tenant: TenantId(tenant),
        arrived_ms,
        session: session.into(),
        body: body.into(),
    });
    Ok(received.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_round_trips_and_damage_is_an_error() {
        let received: Vec<StoredArrival> = (1..=20)
            .map(|position| StoredArrival {
                position: Position(position),
                tenant: TenantId(position % 3),
                arrived_ms: 1_780_272_000_000 + position,
                session: format!("s-{position}").into(),
                body: "x".repeat(position as usize * 5_000).into(),
            })
            .collect();
        let batches: Vec<&[StoredArrival]> = split(&received).collect();
        assert_eq!(batches.concat(), received);
        // A million bytes: four batches.
        assert_eq!(batches.len(), 4);
        for batch in batches {
            let last = batch.last().unwrap().position;
            let packed = pack(batch).unwrap();
            assert_eq!(unpack(last, &packed).unwrap(), batch);
            assert!(unpack(last, &packed[..packed.len() - 1]).is_err());
        }
        assert_eq!(split(&[]).count(), 0);
        let text = codec::pack(Kind::Notification, b"{}").unwrap();
        assert!(unpack(Position(7), &text).unwrap_err().to_string().contains('7'));
    }
}
