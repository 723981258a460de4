//! How the domain's enumerations appear in the OpenAPI document: as texts, each with its name.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::catalogue::FieldKind;
use crate::domain::pirep::{Awaits, Credit, PirepState, SourceKind, Verdict};
use crate::domain::review::Answer;
use crate::domain::roles::{Role, Scope};
use crate::domain::tenant::RegistrationPolicy;
use crate::domain::user::UserStatus;

macro_rules! texts {
    ($($type:ident $about:literal = $values:expr;)*) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some($about))
                        .enum_values(Some($values.iter().map(|value| value.as_str())))
                        .into()
                }
            }

            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    stringify!($type).into()
                }
            }
        )*
    };
}

texts! {
    Role "What a user may do." = Role::ALL;
    Scope "What a key may do, at most; never more than its owner." = Scope::ALL;
    UserStatus "How an account stands."
        = [UserStatus::Active, UserStatus::Pending, UserStatus::Suspended, UserStatus::Erased];
    RegistrationPolicy "Who becomes a pilot without an admin's doing. `Open`: whoever registers. `Approval`: the same, once an admin has approved. `InviteOnly`: nobody."
        = RegistrationPolicy::ALL;
    PirepState "Where a PIREP is in its life cycle."
        = PirepState::ALL.into_iter().filter(|state| *state != PirepState::Discarded).collect::<Vec<_>>();
    Awaits "Whose turn it is." = [Awaits::Staff, Awaits::Pilot];
    SourceKind "`Manual`: typed in by the pilot. `Acars`: measured by a program."
        = [SourceKind::Manual, SourceKind::Acars].map(Named);
    Credit "How much of a flight counts." = [Credit::Full, Credit::Hours, Credit::None];
    Answer "What a review rule says; `hold`: staff decide." = [Answer::Accept, Answer::Hold, Answer::Reject];
    FieldKind "`Flag`: `true` or `false`. `Choice`: one of the field's `choices`." = FieldKind::ALL;
    Verdict "What was decided." = [Verdict::Accepted, Verdict::Rejected];
}

/// A source kind by the name that it has in JSON.
struct Named(SourceKind);

impl Named {
    fn as_str(&self) -> &'static str {
        match self.0 {
            SourceKind::Manual => "Manual",
            SourceKind::Acars => "Acars",
        }
    }
}
