//! Runs blocking work, above all calls of the store, on threads where it delays no other task.

use wholecall_store::StoreError;

/// Runs a blocking call of the store.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    run_blocking(work).await?
}

/// Runs any blocking work. The error is a panic in it, or the end of the runtime.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| match error.is_cancelled() {
        true => StoreError::Closed,
        false => StoreError::Failed(format!("a query ended by a panic: {error}")),
    })
}
