//! The paths of httpbin that Istio's documentation calls, answered in the form of go-httpbin, which Istio's samples run
//! (istio: samples/httpbin/httpbin.yaml), and the echo of fortio (`fortio: fhttp/http_server.go`, `EchoHandler`).

use std::collections::BTreeMap;
use std::time::Duration;

use demo_args::duration;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::body::{AnyBody, filling};

/// The maximum length of a body, in bytes.
pub(super) const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// The maximum delay; longer ones are reduced to it (go-httpbin: `DefaultMaxDuration`).
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A path that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// `/get`, `/post` and the like: the request.
    Request,
    /// `/anything`: the request, with its method.
    Anything,
    /// `/headers`.
    Headers,
    /// `/ip`.
    Ip,
    /// `/user-agent`.
    UserAgent,
    /// `/delay/N`: the request, after N seconds.
    Delay(Duration),
}

impl Page {
    /// The page at a path.
    ///
    /// # Errors
    /// If its parameter is invalid.
    pub(super) fn from_path(path: &str) -> Option<Result<Self, String>> {
        let mut parts = path.splitn(3, '/').skip(1);
        Some(Ok(match (parts.next()?, parts.next()) {
            ("get" | "post" | "put" | "patch" | "delete" | "head", None) => Self::Request,
            ("anything", _) => Self::Anything,
            ("headers", None) => Self::Headers,
            ("ip", None) => Self::Ip,
            ("user-agent", None) => Self::UserAgent,
            ("delay", Some(time)) => match duration::parse_or_seconds(time) {
                Ok(time) => Self::Delay(time.min(LONGEST_DELAY)),
                Err(why) => return Some(Err(format!("/delay/N: {why}"))),
            },
            _ => return None,
        }))
    }

    /// The delay before the answer.
    pub(super) fn delay(self) -> Duration {
        if let Self::Delay(time) = self { time } else { Duration::ZERO }
    }

    /// The answer to a request.
    pub(super) fn answer(self, asked: &Asked<'_>) -> Value {
        let headers = json!(canonical(&asked.headers));
        match self {
            Self::Headers => json!({ "headers": headers }),
            Self::Ip => json!({ "origin": asked.origin }),
            Self::UserAgent => {
                json!({ "user-agent": asked.headers.get("user-agent").map(text).unwrap_or_default() })
            }
            Self::Request | Self::Anything | Self::Delay(_) => {
                let mut all = Map::from_iter([
                    ("args".to_owned(), json!(query(asked.query))),
                    ("headers".to_owned(), headers),
                    ("method".to_owned(), json!(asked.method)),
                    ("origin".to_owned(), json!(asked.origin)),
                    ("url".to_owned(), json!(asked.url)),
                ]);
                if !asked.body.is_empty() || asked.method != "GET" {
                    all.insert("json".to_owned(), serde_json::from_slice(asked.body).unwrap_or(Value::Null));
                    all.insert("data".to_owned(), Value::String(String::from_utf8_lossy(asked.body).into_owned()));
                }
                Value::Object(all)
            }
        }
    }
}

/// The parts of a request that answers contain.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) headers: HeaderMap,
    pub(super) origin: String,
    pub(super) url: String,
    pub(super) query: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// The parameters of fortio's echo in a query: `status=503`, `size=1024`, `delay=100ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) status: StatusCode,
    size: Option<u64>,
    pub(super) delay: Duration,
}

impl Echo {
    /// # Errors
    /// If a parameter is invalid.
    pub(super) fn from_query(query_text: Option<&str>) -> Result<Self, String> {
        let mut echo = Self::default();
        for (name, values) in query(query_text) {
            let Some(value) = values.last() else { continue };
            match name.as_str() {
                "status" => echo.status = value.parse().map_err(|_| format!("status={value}: not a status"))?,
                "size" => echo.size = Some(value.parse().map_err(|_| format!("size={value}: not a number of bytes"))?),
                "delay" => {
                    let delay = duration::parse(value).map_err(|why| format!("delay={value}: {why}"))?;
                    echo.delay = delay.min(LONGEST_DELAY);
                }
                _ => {}
            }
        }
        Ok(echo)
    }

    /// The filler that it requests instead of the request's body.
    pub(super) fn body(&self) -> Option<AnyBody> {
        self.size.map(filling)
    }
}

/// Headers by their names as Go writes them, `X-Forwarded-Client-Cert`, each with all its values.
fn canonical(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let parts = name.as_str().split('-').map(|part| {
            let mut letters = part.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
        });
        all.entry(parts.collect::<Vec<_>>().join("-")).or_default().push(text(value));
    }
    all
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The parameters of a query. Percent signs stay as they are.
fn query(text: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn pages_are_found_by_their_paths() {
        for (path, page) in [
            ("/get", Some(Page::Request)),
            ("/anything/at/all", Some(Page::Anything)),
            ("/headers", Some(Page::Headers)),
            ("/delay/2", Some(Page::Delay(Duration::from_secs(2)))),
            ("/delay/3600", Some(Page::Delay(LONGEST_DELAY))),
            ("/", None),
            ("/getter", None),
            ("/headers/more", None),
        ] {
            assert_eq!(Page::from_path(path).map(Result::unwrap), page, "{path}");
        }
        assert!(Page::from_path("/delay/long").unwrap().is_err());
    }

    #[test]
    fn headers_are_written_as_go_writes_them() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-client-cert", "By=a".parse().unwrap());
        headers.append("x-forwarded-client-cert", "By=b".parse().unwrap());
        let expected = BTreeMap::from([("X-Forwarded-Client-Cert".to_owned(), vec!["By=a".to_owned(), "By=b".into()])]);
        assert_eq!(canonical(&headers), expected);
    }

    #[test]
    fn fortios_echo_is_asked_by_its_query() {
        let echo = Echo::from_query(Some("status=503&size=10&delay=1s&other=x")).unwrap();
        assert_eq!((echo.status.as_u16(), echo.size, echo.delay), (503, Some(10), Duration::from_secs(1)));
        assert_eq!(Echo::from_query(None).unwrap(), Echo::default());
        assert!(Echo::from_query(Some("status=abc")).is_err());
    }
}
