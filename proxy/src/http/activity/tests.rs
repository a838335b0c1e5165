use super::*;

#[tokio::test]
async fn a_busy_connection_is_never_idle() {
    let activity = Activity::default();
    let limit = Some(Duration::from_millis(2));
    let idle = tokio::time::timeout(Duration::from_millis(50), activity.idle_for(limit, || true));
    assert!(idle.await.is_err());
}

#[tokio::test]
async fn inactivity_ends_after_the_limit() {
    let activity = Activity::default();
    activity.idle_for(Some(Duration::from_millis(5)), || false).await;
    assert!(activity.begin.elapsed() >= Duration::from_millis(5));
}
