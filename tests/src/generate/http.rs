//! Random routes of HTTP.

use serde_json::{Value, json};

use super::{APPS, Generator, NAMESPACES};

impl Generator {
    pub(super) fn http_rule(&mut self, host: &str) -> Value {
        let mut rule = json!({});
        if self.chance(0.6) {
            let count = self.between(1, 2);
            rule["match"] = (0..count).map(|_| self.http_match()).collect();
        }
        if self.chance(0.3) {
            rule["name"] = "named".into();
        }
        match self.between(0, 9) {
            0 => {
                rule["redirect"] = self.redirect();
                return rule;
            }
            1 => {
                rule["directResponse"] = self.one_of(&[
                    || json!({"status": 418, "body": {"string": "tea"}}),
                    || json!({"status": 503}),
                    || json!({"status": 200, "body": {"bytes": "dGVh"}}),
                ])();
                return rule;
            }
            2..=4 => {
                let weights = self.one_of(&[[90, 10], [50, 50], [100, 0]]);
                rule["route"] = weights
                    .iter()
                    .map(|weight| {
                        let mut one = json!({"destination": self.destination(host), "weight": weight});
                        self.headers(&mut one, 0.1);
                        one
                    })
                    .collect();
            }
            _ => {
                let mut one = json!({"destination": self.destination(host)});
                self.headers(&mut one, 0.1);
                rule["route"] = json!([one]);
            }
        }
        if self.chance(0.3) {
            rule["timeout"] = "5s".into();
        }
        match self.between(0, 5) {
            0 => rule["retries"] = json!({"attempts": 0}),
            1 => rule["retries"] = json!({"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,503,reset"}),
            2 if self.chance(0.5) => {
                rule["retries"] = json!({"attempts": 2, "retryRemoteLocalities": true, "retryIgnorePreviousHosts": self.chance(0.5),
                                         "backoff": "50ms"});
            }
            _ => {}
        }
        if self.chance(0.2) {
            rule["fault"] = self.one_of(&[
                || json!({"abort": {"httpStatus": 503, "percentage": {"value": 12.5}}}),
                || json!({"abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 100}}}),
                || json!({"delay": {"fixedDelay": "2s", "percentage": {"value": 0.1}}}),
                || json!({"delay": {"fixedDelay": "1.5s"}, "abort": {"httpStatus": 400, "percentage": {"value": 33.333}}}),
            ])();
        }
        if self.chance(0.2) {
            rule["rewrite"] = self.one_of(&[
                || json!({"uri": "/rewritten"}),
                || json!({"authority": "inner.example.com"}),
                || json!({"uri": "/", "authority": "inner.example.com"}),
                || json!({"uriRegexRewrite": {"match": "^/a/(.*)$", "rewrite": "/b/\\1"}}),
            ])();
        }
        self.headers(&mut rule, 0.2);
        if self.chance(0.15) {
            rule["mirror"] = self.destination(host);
            if self.chance(0.5) {
                rule["mirrorPercentage"] = json!({"value": self.one_of(&[0.0, 12.5, 100.0])});
            }
        } else if self.chance(0.1) {
            rule["mirrors"] = json!([{"destination": self.destination(host), "percentage": {"value": 50}},
                                     {"destination": self.destination(host)}]);
        }
        if self.chance(0.1) {
            rule["corsPolicy"] = self.one_of(&[
                || json!({"allowOrigins": [{"exact": "https://a.example"}], "allowMethods": ["GET"], "maxAge": "1h"}),
                || json!({"allowOrigins": [{"prefix": "https://a"}, {"regex": "https://.*b"}], "allowCredentials": true,
                          "allowHeaders": ["x-a", "x-b"], "exposeHeaders": ["x-c"], "unmatchedPreflights": "IGNORE"}),
            ])();
        }
        rule
    }

    fn redirect(&mut self) -> Value {
        self.one_of(&[
            || json!({"uri": "/new", "authority": "elsewhere.example.com"}),
            || json!({"scheme": "https", "redirectCode": 308}),
            || json!({"port": 8443, "scheme": "https"}),
            || json!({"derivePort": "FROM_REQUEST_PORT", "authority": "elsewhere.example.com"}),
            || json!({"derivePort": "FROM_PROTOCOL_DEFAULT", "uri": "/x", "redirectCode": 302}),
            || json!({"uri": "%PREFIX()%/new", "redirectCode": 307}),
        ])()
    }

    /// What happens to the headers of a rule's requests, or of those to a destination.
    pub(super) fn headers(&mut self, of: &mut Value, chance: f64) {
        if self.chance(chance) {
            of["headers"] = self.one_of(&[
                || json!({"request": {"set": {"x-a": "1"}, "remove": ["x-b"]}, "response": {"add": {"x-c": "2"}}}),
                || json!({"request": {"set": {"Host": "set.example.com"}}}),
                || json!({"request": {"add": {"x-d": "%DOWNSTREAM_REMOTE_ADDRESS%"}}, "response": {"set": {"x-e": "3"}, "remove": ["server"]}}),
            ])();
        }
    }

    fn http_match(&mut self) -> Value {
        let mut matched = match self.between(0, 6) {
            0 => json!({"uri": {"prefix": self.one_of(&["/api", "/", "/api/"])}}),
            1 => json!({"uri": {"exact": "/one"}}),
            2 => json!({"uri": {"regex": self.one_of(&["/r/[0-9]+", ".*"])}}),
            3 => json!({"authority": self.one_of(&[|| json!({"exact": "a.example"}), || json!({"prefix": "a."})])()}),
            4 => json!({"scheme": {"exact": self.one_of(&["http", "https"])}}),
            5 => json!({"method": {"regex": "GET|HEAD"}}),
            _ => json!({"method": {"exact": "POST"}}),
        };
        if self.chance(0.15) {
            matched["name"] = "first-match".into();
        }
        if self.chance(0.05) {
            matched["statPrefix"] = "counted".into();
        }
        if self.chance(0.1) {
            matched["gateways"] = self.one_of(&[&["mesh"][..], &["mesh", "shop/public"], &["shop/public"]]).into();
        }
        if self.chance(0.3) {
            matched["headers"] = self.one_of(&[
                || json!({"x-user": {"exact": "jason"}, "x-any": {}}),
                || json!({"x-user": {"regex": "j.*"}, "cookie": {"prefix": "user="}}),
            ])();
        }
        if self.chance(0.15) {
            matched["withoutHeaders"] = self
                .one_of(&[|| json!({"x-not": {"prefix": "n"}}), || json!({"x-not": {}, "x-other": {"exact": "o"}})])(
            );
        }
        if self.chance(0.15) {
            matched["queryParams"] = self.one_of(&[
                || json!({"q": {"exact": "1"}}),
                || json!({"q": {"regex": "[0-9]+"}, "p": {"prefix": "x"}, "r": {}}),
            ])();
        }
        if self.chance(0.2) {
            matched["port"] = self.one_of(&[80, 8080]).into();
        }
        if self.chance(0.15) {
            matched["sourceLabels"] = json!({"app": self.one_of(&APPS)});
        }
        if self.chance(0.1) {
            matched["sourceNamespace"] = self.one_of(&NAMESPACES).into();
        }
        if self.chance(0.2) {
            matched["ignoreUriCase"] = true.into();
        }
        matched
    }
}
