//! Access logs: Istio's default formats (`pilot/pkg/model/telemetry_logging.go`), to a file of the lab.

use envoy_api::{
    AccessLog, AccessLogFilter, AccessLogger, FileAccessLog, ResponseFlagFilter, SubstitutionFormatString,
};
use serde_json::{Map, Value};

use super::Compiler;

/// The file in [`super::Placement::log_dir`].
pub(crate) const FILE: &str = "access.log";

/// Istio's text format.
const TEXT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

/// Istio's JSON format.
const JSON: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
];

impl Compiler<'_> {
    /// Logs each connection or request that reached a chain.
    pub(super) fn access_log(&self) -> Vec<AccessLog> {
        self.log(None)
    }

    /// Logs connections that matched no chain; all others are logged by their chain.
    pub(super) fn no_chain_log(&self) -> Vec<AccessLog> {
        let flags = vec!["NR".into()];
        self.log(Some(AccessLogFilter { response_flag_filter: ResponseFlagFilter { flags } }))
    }

    fn log(&self, filter: Option<AccessLogFilter>) -> Vec<AccessLog> {
        if !self.options().access_log {
            return vec![];
        }
        let log_format = if self.mesh.config.access_log_json {
            let fields = JSON.iter().map(|&(name, command)| (name.into(), Value::from(command)));
            SubstitutionFormatString { text_format_source: None, json_format: Some(Map::from_iter(fields)) }
        } else {
            SubstitutionFormatString::text(TEXT)
        };
        vec![AccessLog {
            name: "envoy.access_loggers.file".into(),
            filter,
            typed_config: AccessLogger::File(FileAccessLog {
                path: self.placement.log_dir.join(FILE),
                log_format: Some(log_format),
            }),
        }]
    }
}
