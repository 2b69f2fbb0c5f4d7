//! The page as it is drawn: what it tells of a drill, and whom it offers what.

use std::time::Duration;

use super::{access::guarded, drill::while_playing_for, *};

#[tokio::test(start_paused = true)]
async fn the_page_draws_the_drill_beside_the_original() {
    while_playing_for(Guard::default(), false, async |proxy, _| {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let page = proxy.get("/").await.text;
        assert!(page.contains("<figure class=\"chart\">"), "{page}");
        assert!(page.contains("In phase outage from +4m"), "{page}");
        assert!(page.contains("<option>localise</option>"), "{page}");
        assert!(
            page.contains("<section id=\"check\" hidden>"),
            "not while a drill runs: {page}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_check_before_a_drill_is_offered_to_who_leads_it() {
    let proxy = guarded();
    let check = async |token: &str, is_offered: bool| {
        let request = request(Method::GET, "/").header(header::AUTHORIZATION, format!("Bearer {token}"));
        let page = proxy.ask(request.body(Body::empty()).unwrap()).await.text;
        let offered = page.contains("<section id=\"check\" hidden data-offered>");
        assert_eq!(
            (offered, page.contains("orm-break")),
            (is_offered, is_offered),
            "{token}: {page}"
        );
    };
    check("facilitator-token", true).await;
    check("responders-token", false).await;
    check("observers-token-", false).await;
}
