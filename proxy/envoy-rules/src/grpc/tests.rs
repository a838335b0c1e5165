use super::*;

#[test]
fn statuses_are_those_of_grpcs_table() {
    for (http, code, name) in [
        (400, 13, "INTERNAL"),
        (401, 16, "UNAUTHENTICATED"),
        (403, 7, "PERMISSION_DENIED"),
        (404, 12, "UNIMPLEMENTED"),
        (429, 14, "UNAVAILABLE"),
        (500, 2, "UNKNOWN"),
        (502, 14, "UNAVAILABLE"),
        (503, 14, "UNAVAILABLE"),
        (504, 14, "UNAVAILABLE"),
    ] {
        let status = GrpcStatus::from_http(http);
        assert_eq!((status.code(), status.name()), (code, name), "{http}");
    }
}
