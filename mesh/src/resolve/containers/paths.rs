//! Checks paths in a pod's document as the API server does (kubernetes: pkg/apis/core/validation/validation.go).

/// What is wrong with the path of a file in a volume (`validateLocalNonReservedPath`). For a missing one in the words of the document's
/// check, so that it is reported once.
pub(super) fn file_path_fault(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("is missing".to_owned());
    }
    // The kubelet reserves such names.
    let is_reserved = path.starts_with("..") && !path.starts_with("../") && path != "..";
    descending_path_fault(path).or_else(|| is_reserved.then(|| invalid(path, "must not start with '..'")))
}

/// What is wrong with a path below a volume's folder (`validateLocalDescendingPath`).
pub(super) fn descending_path_fault(path: &str) -> Option<String> {
    if path.starts_with('/') {
        Some(invalid(path, "must be a relative path"))
    } else if path.split('/').any(|part| part == "..") {
        Some(invalid(path, "must not contain '..'"))
    } else {
        None
    }
}

/// What is wrong with the path that a container mounts a volume at, beside others (`ValidateVolumeMounts`).
pub(super) fn mount_path_fault<'a>(path: &str, mut others: impl Iterator<Item = &'a str>) -> Option<String> {
    if path.is_empty() {
        return Some("Required value".to_owned());
    }
    others.any(|other| other == absolute(path)).then(|| invalid(path, "must be unique"))
}

/// A path as the container's runtime takes it: from the root, and never above it.
pub(super) fn absolute(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

fn invalid(value: &str, why: &str) -> String {
    format!("Invalid value: {value:?}: {why}")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_file_of_a_volume_stays_in_it() {
        for (path, why) in [
            ("", "is missing"),
            ("/etc/passwd", "Invalid value: \"/etc/passwd\": must be a relative path"),
            ("..", "Invalid value: \"..\": must not contain '..'"),
            ("a/../../b", "Invalid value: \"a/../../b\": must not contain '..'"),
            ("..data", "Invalid value: \"..data\": must not start with '..'"),
        ] {
            assert_eq!(file_path_fault(path).as_deref(), Some(why));
        }
        for path in ["tls.crt", "a/b/c", "a..b", "a/..b"] {
            assert_eq!(file_path_fault(path), None, "{path}");
        }
    }

    #[test]
    fn a_mount_path_is_taken_from_the_containers_root() {
        for (path, taken) in
            [("etc/tls", "/etc/tls"), ("/etc//tls/", "/etc/tls"), ("/../../etc/./a/../tls", "/etc/tls"), ("/", "/")]
        {
            assert_eq!(absolute(path), taken, "{path}");
        }
        let others = ["/etc/tls"];
        assert_eq!(
            mount_path_fault("etc/tls/", others.into_iter()).as_deref(),
            Some("Invalid value: \"etc/tls/\": must be unique")
        );
        assert_eq!(mount_path_fault("/etc/tls2", others.into_iter()), None);
    }
}
