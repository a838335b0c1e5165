//! ProxyConfig, by the rules of Istio's webhook (`ValidateProxyConfig` in `pkg/config/validation/validation.go`).

use super::Checked;
use crate::{
    fault::Faults,
    manifests::{Object, proxy_config::ProxyConfigSpec},
};

pub(super) fn validate(config: &Object<ProxyConfigSpec>, faults: &mut Faults) {
    let mut checked = Checked::of(config, faults);
    let spec = &config.body;
    if let Some(selector) = &spec.selector {
        if selector.match_labels.is_empty() {
            // Neither of a namespace nor of a workload (`mergedNamespaceConfig`, `mergedWorkloadConfig`).
            checked.warn("spec.selector", "has no labels: it is for no pod; remove the selector, or name labels");
        }
        checked.selector_labels("spec.selector.matchLabels", &selector.match_labels);
    }
    if let Some(concurrency) = spec.concurrency {
        if concurrency < 0 {
            checked.error("spec.concurrency", format!("{concurrency} is negative; 0 is one thread per CPU"));
        } else {
            checked.note("spec.concurrency", "does not affect any answer: a lab's sidecars have one worker thread");
        }
    }
    if spec.image.is_some() {
        checked.note("spec.image", "does not affect any answer: no image is run");
    }
}
