//! How kube-apiserver calls admission webhooks when an object is created.
//!
//! Sources in `k8s.io/apiserver/pkg/admission/plugin/webhook`: which webhooks are called (`predicates`), in which order and
//! with what result (`mutating/dispatcher.go`, `validating/dispatcher.go`), how (`pkg/util/webhook/client.go`), and the
//! wording of errors. Not supported: CEL (`matchConditions` are refused), calling a mutating webhook again after another's
//! changes (`reinvocationPolicy`), and operations other than `CREATE`.

mod answer;
mod args;
mod call;
mod configuration;
mod object;
mod rules;
#[cfg(test)]
mod tests;
mod wording;

pub use args::ApiserverArgs;

use futures_util::future::join_all;

use crate::UsageError;
use crate::report::{ADMISSION_SCHEMA, AdmissionReport, Decision, WebhookReport};
use answer::Verdict;
use configuration::{Configurations, FailurePolicy, Webhook};
use object::Object;

/// Calls each webhook whose rules match the object, mutating ones first.
///
/// # Errors
///
/// If the object or the configurations cannot be read, or use unsupported features. A failing webhook is part of the
/// report.
pub async fn create(args: &ApiserverArgs) -> Result<AdmissionReport, UsageError> {
    let object = Object::read(args)?;
    let configurations = Configurations::read(&args.webhooks)?;
    if let Some(only) = &args.only
        && !configurations.webhooks.iter().any(|webhook| webhook.hook.name == *only)
    {
        let known: Vec<&str> = configurations.webhooks.iter().map(|webhook| webhook.hook.name.as_str()).collect();
        return Err(UsageError(format!("--only {only:?}: no such webhook; known are {}", known.join(", "))));
    }
    let mut request = Request { args, configurations: &configurations, object, refusal: None, webhooks: Vec::new() };
    request.mutate().await?;
    request.validate().await?;
    Ok(request.report())
}

/// A request to create an object, passing through the webhooks.
struct Request<'a> {
    args: &'a ApiserverArgs,
    configurations: &'a Configurations,
    /// The object with the patches so far.
    object: Object,
    refusal: Option<Refusal>,
    webhooks: Vec<WebhookReport>,
}

/// The reason why the object is not created.
struct Refusal {
    decision: Decision,
    status: u16,
    message: String,
}

impl Request<'_> {
    /// Calls mutating webhooks one after the other, each with the previous one's changes.
    async fn mutate(&mut self) -> Result<(), UsageError> {
        let configurations = self.configurations;
        for webhook in configurations.webhooks.iter().filter(|webhook| webhook.mutating) {
            let verdict = if self.refusal.is_some() {
                Verdict::skipped("the request was already refused")
            } else {
                self.call(webhook).await?
            };
            self.record(webhook, verdict);
        }
        Ok(())
    }

    /// Calls validating webhooks in parallel.
    async fn validate(&mut self) -> Result<(), UsageError> {
        let webhooks: Vec<&Webhook> = self.configurations.webhooks.iter().filter(|webhook| !webhook.mutating).collect();
        let refused = self.refusal.is_some();
        let asked = webhooks.iter().map(|webhook| async {
            if refused {
                return Ok(Verdict::skipped("the request was already refused"));
            }
            self.call(webhook).await
        });
        let verdicts: Vec<Result<Verdict, UsageError>> = join_all(asked).await;
        for (webhook, verdict) in webhooks.into_iter().zip(verdicts) {
            self.record(webhook, verdict?);
        }
        Ok(())
    }

    async fn call(&self, webhook: &Webhook) -> Result<Verdict, UsageError> {
        if self.args.only.as_ref().is_some_and(|only| *only != webhook.hook.name) {
            return Ok(Verdict::skipped("not selected by --only"));
        }
        match rules::match_object(webhook, &self.object, self.configurations) {
            Err(why) => Ok(Verdict::skipped(why)),
            Ok(converted) => call::call(webhook, &self.object, &converted, self.args).await,
        }
    }

    /// Records a webhook's verdict, and applies its failure policy if the call failed.
    fn record(&mut self, webhook: &Webhook, verdict: Verdict) {
        let name = &webhook.hook.name;
        let (mut decision, mut skipped, mut message, mut status, mut patch) = (None, None, None, 500, None);
        match verdict.conclusion {
            answer::Conclusion::Skipped(why) => skipped = Some(why),
            answer::Conclusion::Allowed => decision = Some(Decision::Allowed),
            answer::Conclusion::Patched(returned) => match self.object.patched(&returned) {
                Ok(object) => {
                    self.object = object;
                    decision = Some(Decision::Patched);
                    patch = serde_json::to_value(&returned).ok();
                }
                // The webhook did answer, so its failure policy does not apply.
                Err(error) => {
                    decision = Some(Decision::Rejected);
                    message = Some(wording::internal(&error));
                }
            },
            answer::Conclusion::Denied { code, message: why } => {
                decision = Some(Decision::Denied);
                status = code;
                message = Some(why);
            }
            answer::Conclusion::Failed(why) => {
                let why = wording::failed_calling(name, &why);
                let ignored = webhook.failure_policy == FailurePolicy::Ignore;
                decision = Some(if ignored { Decision::LetThrough } else { Decision::Rejected });
                message = Some(if ignored { wording::failing_open(name, &why) } else { wording::internal(&why) });
            }
        }
        if let (Some(decision), Some(message)) = (decision.filter(|decision| decision.refuses()), &message) {
            self.refusal.get_or_insert(Refusal { decision, status, message: message.clone() });
        }
        self.webhooks.push(WebhookReport {
            name: name.clone(),
            configuration: webhook.configuration.clone(),
            mutating: webhook.mutating,
            skipped,
            decision,
            message,
            patch,
            call: verdict.call,
        });
    }

    fn report(self) -> AdmissionReport {
        let decided = |wanted| self.webhooks.iter().any(|webhook| webhook.decision == Some(wanted));
        let decision = match &self.refusal {
            Some(refusal) => refusal.decision,
            None if decided(Decision::Patched) => Decision::Patched,
            None if decided(Decision::LetThrough) => Decision::LetThrough,
            None => Decision::Allowed,
        };
        let created = self.refusal.is_none();
        AdmissionReport {
            schema: ADMISSION_SCHEMA.to_owned(),
            object: self.object.reference(),
            operation: object::OPERATION.to_owned(),
            decision,
            status: self.refusal.as_ref().map_or(201, |refusal| refusal.status),
            message: self.refusal.map(|refusal| refusal.message),
            result: created.then_some(self.object.value),
            webhooks: self.webhooks,
        }
    }
}
