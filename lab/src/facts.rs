//! Accounts and expectations as flat lists of fields, to compare them and to show them side by side.

use std::{collections::BTreeMap, fmt};

use mesh::account::{Account, LegNumber, Outcome, Party, Reason};
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::expect::{Expectation, ExpectedLeg, ExpectedOutcome, ExpectedTls};

#[cfg(test)]
mod tests;

/// The fields of an account or an expectation, in reading order.
pub type Facts = BTreeMap<Field, Value>;

/// A field of an account that can be expected. In JSON its name: `leg 2 layers`, `refused at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Leg(LegNumber, LegField),
    /// The sidecars that read the request.
    ReadBy,
    /// A field of the end.
    Outcome(OutcomeField),
    /// What the probe's calls added to a counter, by its number from 0.
    Counter(usize),
    /// What a load did meanwhile, by its number from 0.
    Load(usize),
    /// The traces that the probe's calls left.
    Traces,
}

/// A field of a leg, as documented in [`mesh::account::Leg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegField {
    Layers,
    Interface,
    Source,
    Dials,
    RedirectedTo,
    /// A field of a TLS layer, with the number of TLS layers around it.
    Tls(usize, TlsField),
}

/// A field of a TLS layer, as documented in [`mesh::account::TlsFacts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TlsField {
    #[serde(rename = "TLS version")]
    Version,
    #[serde(rename = "cipher suite")]
    CipherSuite,
    #[serde(rename = "group")]
    Group,
    #[serde(rename = "ALPN offered")]
    AlpnOffered,
    #[serde(rename = "ALPN")]
    Alpn,
    #[serde(rename = "SNI")]
    Sni,
    #[serde(rename = "client identity")]
    ClientIdentity,
    #[serde(rename = "server identity")]
    ServerIdentity,
}

/// A field of the end of a call, as documented in [`mesh::account::Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeField {
    Delivered,
    #[serde(rename = "refused at")]
    RefusedAt,
    Reason,
    #[serde(rename = "response flags")]
    ResponseFlags,
    Details,
    #[serde(rename = "SNI that was read")]
    RequestedServerName,
    Status,
    #[serde(rename = "gRPC status")]
    GrpcStatus,
    Admission,
    #[serde(rename = "app sees")]
    AppSees,
}

mesh::display_as_serialized!(TlsField, OutcomeField);

impl fmt::Display for LegField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layers => "layers",
            Self::Interface => "interface",
            Self::Source => "source",
            Self::Dials => "dials",
            Self::RedirectedTo => "redirected to",
            Self::Tls(0, field) => return write!(f, "{field}"),
            Self::Tls(depth, field) => return write!(f, "{field} of TLS layer {}", depth + 1),
        })
    }
}

impl Field {
    /// The group of the field: `leg 2`, `outcome`.
    pub fn group(self) -> String {
        match self {
            Self::Leg(leg, _) => format!("leg {leg}"),
            Self::ReadBy | Self::Outcome(_) => "outcome".into(),
            Self::Counter(_) => "counters".into(),
            Self::Load(_) => "loads".into(),
            Self::Traces => "traces".into(),
        }
    }

    /// The field's name in its group.
    pub fn name(self) -> String {
        match self {
            Self::Leg(_, field) => field.to_string(),
            Self::ReadBy => "read by".into(),
            Self::Outcome(field) => field.to_string(),
            Self::Counter(number) => format!("counter {}", number + 1),
            Self::Load(number) => format!("load {}", number + 1),
            Self::Traces => "traces".into(),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leg(leg, field) => write!(f, "leg {leg} {field}"),
            Self::ReadBy | Self::Outcome(_) | Self::Counter(_) | Self::Load(_) | Self::Traces => {
                f.write_str(&self.name())
            }
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A number, name or address.
    One(String),
    /// A list, which may be empty.
    Many(Vec<String>),
}

impl Value {
    fn one(value: impl fmt::Display) -> Self {
        Self::One(value.to_string())
    }

    fn many<T: fmt::Display>(values: &[T]) -> Self {
        Self::Many(values.iter().map(ToString::to_string).collect())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(yes) => write!(f, "{yes}"),
            Self::One(value) => f.write_str(value),
            Self::Many(values) => write!(f, "[{}]", values.join(", ")),
        }
    }
}

/// All fields of an account that can be expected. A missing leg carried nothing.
pub fn of_account(account: &Account) -> Facts {
    let mut all = Expectation::exactly(account);
    for number in LegNumber::ALL {
        all.legs.entry(number).or_default().layers.get_or_insert_default();
    }
    of_expectation(&all)
}

/// All fields that an expectation contains.
pub fn of_expectation(expectation: &Expectation) -> Facts {
    let Expectation { legs, read_by, outcome } = expectation;
    let of_legs = legs.iter().flat_map(|(number, leg)| of_leg(*number, leg));
    let read_by = read_by.as_deref().map(Value::many).map(|value| (Field::ReadBy, value));
    of_legs.chain(read_by).chain(of_outcome(outcome)).collect()
}

fn of_leg(number: LegNumber, leg: &ExpectedLeg) -> impl Iterator<Item = (Field, Value)> {
    let ExpectedLeg { layers, interface, source, dials, redirected_to, tls } = leg;
    let of_tcp = [
        (LegField::Layers, layers.as_deref().map(Value::many)),
        (LegField::Interface, interface.map(Value::one)),
        (LegField::Source, source.map(Value::one)),
        (LegField::Dials, dials.map(Value::one)),
        (LegField::RedirectedTo, redirected_to.map(Value::one)),
    ];
    let of_tls = tls.iter().enumerate().flat_map(|(depth, tls)| {
        of_tls(tls).into_iter().map(move |(field, value)| (LegField::Tls(depth, field), value))
    });
    let fields = of_tcp.into_iter().chain(of_tls);
    fields.filter_map(move |(field, value)| Some((Field::Leg(number, field), value?)))
}

fn of_tls(tls: &ExpectedTls) -> [(TlsField, Option<Value>); 8] {
    let ExpectedTls { version, cipher_suite, group, alpn_offered, alpn, sni, client_identity, server_identity } = tls;
    let one = |value: &Option<String>| value.as_ref().map(Value::one);
    [
        (TlsField::Version, one(version)),
        (TlsField::CipherSuite, one(cipher_suite)),
        (TlsField::Group, one(group)),
        (TlsField::AlpnOffered, alpn_offered.as_deref().map(Value::many)),
        (TlsField::Alpn, one(alpn)),
        (TlsField::Sni, one(sni)),
        (TlsField::ClientIdentity, one(client_identity)),
        (TlsField::ServerIdentity, one(server_identity)),
    ]
}

fn of_outcome(outcome: &ExpectedOutcome) -> impl Iterator<Item = (Field, Value)> {
    let ExpectedOutcome {
        delivered,
        at,
        reason,
        response_flags,
        details,
        requested_server_name,
        status,
        grpc_status,
        admission,
        app_sees,
    } = outcome;
    let fields = [
        (OutcomeField::Delivered, delivered.map(Value::Flag)),
        (OutcomeField::RefusedAt, at.map(Value::one)),
        (OutcomeField::Reason, reason.map(Value::one)),
        (OutcomeField::ResponseFlags, response_flags.as_ref().map(Value::one)),
        (OutcomeField::Details, details.as_ref().map(Value::one)),
        (OutcomeField::RequestedServerName, requested_server_name.as_ref().map(Value::one)),
        (OutcomeField::Status, status.map(Value::one)),
        (OutcomeField::GrpcStatus, grpc_status.map(Value::one)),
        (OutcomeField::Admission, admission.map(Value::one)),
        (OutcomeField::AppSees, app_sees.as_ref().map(Value::one)),
    ];
    fields.into_iter().filter_map(|(field, value)| Some((Field::Outcome(field), value?)))
}

/// A field in which an account differs from what was expected, or from another account.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct Difference {
    /// The field that differs.
    #[schemars(with = "String")]
    pub field: Field,
    #[schemars(with = "String")]
    pub expected: Value,
    /// The account's value, if it has one.
    #[schemars(with = "String")]
    pub found: Option<Value>,
}

impl Difference {
    /// Whether the two differ. An absent value matches an empty list.
    fn is_one(&self) -> bool {
        match (&self.found, &self.expected) {
            (Some(Value::One(found)), Value::One(expected)) => !is_same(self.field, found, expected),
            (Some(found), expected) => found != expected,
            (None, expected) => *expected != Value::Many(Vec::new()),
        }
    }

    /// The account's value: `nothing` if it has none.
    pub fn found(&self) -> String {
        self.found.as_ref().map_or_else(|| "nothing".into(), ToString::to_string)
    }
}

/// Whether two values of a field mean the same. Names are compared without regard to case (RFC 6066, section 3), and all ways to end a
/// connection are equal: FIN or RST depends on what was still unread.
fn is_same(field: Field, one: &str, other: &str) -> bool {
    const ENDED: [&str; 3] = ["broken_pipe", "connection_reset", "eof"];
    match field {
        Field::Leg(_, LegField::Tls(_, TlsField::Sni)) | Field::Outcome(OutcomeField::RequestedServerName) => {
            one.eq_ignore_ascii_case(other)
        }
        Field::Outcome(OutcomeField::AppSees) => one == other || [one, other].iter().all(|word| ENDED.contains(word)),
        _ => one == other,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.field, self.expected, self.found())
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Difference", 3)?;
        fields.serialize_field("field", &self.field)?;
        fields.serialize_field("expected", &self.expected.to_string())?;
        fields.serialize_field("found", &self.found())?;
        fields.end()
    }
}

/// Whether two accounts of a leg differ only by a race: in TLS 1.3 the client has finished when the server verifies its certificate
/// (RFC 8446, section 2), so the request inside a rejected handshake may or may not be on the wire.
fn is_race(difference: &Difference, account: &Account) -> bool {
    let Outcome { at, reason, .. } = &account.outcome;
    let by_server = matches!(at, Some(Party::ServerSidecar | Party::Gateway | Party::ServerApp));
    let (Field::Leg(_, LegField::Layers), Value::Many(expected), Some(Value::Many(found))) =
        (difference.field, &difference.expected, &difference.found)
    else {
        return false;
    };
    let (short, long) = if expected.len() < found.len() { (expected, found) } else { (found, expected) };
    let ends_in_tls = short.last().is_some_and(|layer| layer == "tls" || layer == "mtls");
    *reason == Some(Reason::TlsHandshakeFailed)
        && by_server
        && ends_in_tls
        && long.len() == short.len() + 1
        && long.starts_with(short)
}

/// The fields in which an account differs from an expectation. A field without an expectation can have any value.
pub fn differences(expectation: &Expectation, account: &Account) -> Vec<Difference> {
    let found = of_account(account);
    let expected = of_expectation(expectation).into_iter();
    let differences =
        expected.map(|(field, expected)| Difference { field, expected, found: found.get(&field).cloned() });
    differences.filter(|difference| difference.is_one() && !is_race(difference, account)).collect()
}
