//! The text of a Web Push: a declarative one, which some browsers show without the page's help.

use relay_client::app::notice::{Notice, Subscription, Target};
use serde::Serialize;

use super::encrypt::PADDED_LEN;

#[derive(Serialize)]
struct Payload<'a> {
    /// The number of RFC 8030, which says that this is a declarative one.
    web_push: u16,
    notification: Notification<'a>,
}

#[derive(Serialize)]
struct Notification<'a> {
    title: &'a str,
    body: &'a str,
    tag: &'a str,
    navigate: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: &'a str,
    at: u64,
    desk: &'a str,
    urgency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Opened<'a>>,
}

#[derive(Serialize)]
struct Opened<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// The text for this subscription, from the desk of this name. At most [`PADDED_LEN`] bytes: a longer body is
/// cut.
pub(super) fn text(notice: &Notice, subscription: &Subscription, desk: &str) -> String {
    let whole = written(notice, &notice.text, subscription, desk);
    let Some(over) = whole.len().checked_sub(PADDED_LEN).filter(|over| *over > 0) else { return whole };
    let mut end = notice.text.len().saturating_sub(over + '…'.len_utf8());
    while !notice.text.is_char_boundary(end) {
        end -= 1;
    }
    written(notice, &format!("{}…", &notice.text[..end]), subscription, desk)
}

fn written(notice: &Notice, body: &str, subscription: &Subscription, desk: &str) -> String {
    let target = notice.target.as_ref().map(|target| match target {
        Target::Chat => Opened { kind: "chat", name: None },
        Target::Terminal(name) => Opened { kind: "terminal", name: Some(name) },
    });
    let urgency = notice.urgency.as_str();
    let notification = Notification {
        title: if notice.title.is_empty() { desk } else { &notice.title },
        body,
        tag: &notice.id,
        navigate: address(notice, &subscription.page),
        data: Data { id: &notice.id, at: notice.at_ms, desk, urgency, target },
    };
    // There are no maps and no floats in it that could not be written.
    sonic_rs::to_string(&Payload { web_push: 8030, notification }).unwrap_or_default()
}

/// The page's address, which also says what to open.
fn address(notice: &Notice, page: &str) -> String {
    let joined = if page.contains('#') { '&' } else { '#' };
    let target = match &notice.target {
        None => String::new(),
        Some(Target::Chat) => "&chat".to_owned(),
        Some(Target::Terminal(name)) => format!("&terminal={}", encoded(name)),
    };
    format!("{page}{joined}notice={}{target}", encoded(&notice.id))
}

fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use relay_client::app::notice::VapidKey;
    use zeroize::Zeroizing;

    use super::*;

    fn subscription(page: &str) -> Subscription {
        Subscription {
            endpoint: "https://push.example.org/1".into(),
            p256dh: [4; 65],
            auth: [0; 16],
            vapid: VapidKey { private: Zeroizing::new([1; 32]), public: [4; 65] },
            page: page.into(),
        }
    }

    #[test]
    fn the_text_is_a_declarative_push() {
        let target = Some(Target::Terminal("a b".into()));
        let notice = Notice { target, ..Notice::new("n-1", 7, "", "it is \"done\"").unwrap() };
        assert_eq!(
            text(&notice, &subscription("https://h/p#d=1"), "office"),
            r#"{"web_push":8030,"notification":{"title":"office","body":"it is \"done\"","tag":"n-1","navigate":"https://h/p#d=1&notice=n-1&terminal=a%20b","data":{"id":"n-1","at":7,"desk":"office","urgency":"normal","target":{"kind":"terminal","name":"a b"}}}}"#
        );
        let chat = Notice { target: Some(Target::Chat), ..notice };
        assert_eq!(address(&chat, "https://h/p"), "https://h/p#notice=n-1&chat");
    }

    #[test]
    fn the_longest_notice_fits_and_is_cut_between_characters() {
        let (name, page) = ("\"".repeat(64), format!("https://h/{}", "p".repeat(502)));
        for words in ["\"".repeat(2000), "\\".repeat(2000), "漢".repeat(2000), "a\u{1}".repeat(2000)] {
            let target = Some(Target::Terminal(name.clone()));
            let notice =
                Notice { target, ..Notice::new(&"\"".repeat(64), u64::MAX, &words, &words).unwrap() };
            let text = text(&notice, &subscription(&page), &name);
            assert!(text.len() <= PADDED_LEN, "{}", text.len());
            assert!(sonic_rs::from_str::<sonic_rs::Value>(&text).is_ok(), "{text}");
        }
    }
}
