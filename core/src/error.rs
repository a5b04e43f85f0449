//! What can go wrong for a person with a phone, named by what they can do about it.

use crate::{
    document::{EditError, OpenError},
    model::{InvalidField, InvalidMoney},
    rules::authority::Denied,
};

/// Why a call did not do what was asked. A call that returns one has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Error))]
pub enum FieldError {
    /// The server cannot be reached.
    #[error("the server cannot be reached; everything recorded is safe and will be sent later")]
    Offline,
    /// The device's token is no longer accepted.
    #[error("sign in again with a new enrolment code")]
    SignInAgain,
    /// The device was revoked by an administrator.
    #[error("this device was revoked; ask your administrator")]
    Revoked,
    /// Nothing more can be written.
    #[error("the phone's storage is full; free some space and try again")]
    StorageFull,
    /// A value that cannot be saved.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The person's role may not do that.
    #[error(transparent)]
    NotAllowed(#[from] Denied),
    /// Not on this phone.
    #[error("not found on this phone; sync and try again")]
    NotFound,
    /// The database or server speaks a newer version.
    #[error("a newer version of the app is needed")]
    NeedsNewerApp,
    /// The store is closed.
    #[error("the store is closed; reopen it first")]
    Closed,
    /// No enrolment yet.
    #[error("this phone is not enrolled; enter an enrolment code first")]
    NotEnrolled,
    /// A document of a newer version can be read, not edited.
    #[error("this was made by a newer version of the app; update the app to change it")]
    MadeByNewerVersion,
    /// The database file is damaged. Reopening sets it aside and salvages what can be read.
    #[error("the database is damaged ({0}); close and open the store to salvage it")]
    Damaged(String),
    /// The call was ended before it was done; what it had stored until then stays.
    #[error("the call was cancelled; nothing that was recorded is lost")]
    Cancelled,
    /// A fault in the app.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<EditError> for FieldError {
    fn from(error: EditError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<OpenError> for FieldError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged(what) => Self::Damaged(what),
            // Arrives with the next sync.
            OpenError::MissingChanges(_) => Self::NotFound,
        }
    }
}

impl From<InvalidMoney> for FieldError {
    fn from(error: InvalidMoney) -> Self {
        Self::Invalid(InvalidField::new("amount", error.to_string()))
    }
}

impl From<serde_json::Error> for FieldError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<getrandom::Error> for FieldError {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(format!("the phone gives no random numbers: {error}"))
    }
}

impl From<rusqlite::Error> for FieldError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode, ffi};
        match &error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::StorageFull,
                ErrorCode::SystemIoFailure
                    if [
                        ffi::SQLITE_IOERR_WRITE,
                        ffi::SQLITE_IOERR_SHMSIZE,
                        ffi::SQLITE_IOERR_TRUNCATE,
                    ]
                    .contains(&failure.extended_code) =>
                {
                    Self::StorageFull
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged(error.to_string()),
                // A file cut short: a page that should be there cannot be read.
                ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
                    Self::Damaged(error.to_string())
                }
                _ => Self::Internal(error.to_string()),
            },
            Error::QueryReturnedNoRows => Self::NotFound,
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl FieldError {
    /// What to tell the person, in English or, for a tag that begins with `zh`, in Simplified Chinese. What a field or the
    /// system says of itself inside the sentence stays as it is.
    pub fn sentence(&self, language: &str) -> String {
        if !language.get(..2).is_some_and(|it| it.eq_ignore_ascii_case("zh")) {
            return self.to_string();
        }
        match self {
            Self::Offline => "连接不上服务器；已记录的内容都已保存，之后会自动发送".to_owned(),
            Self::SignInAgain => "请用新的注册码重新登录".to_owned(),
            Self::Revoked => "此设备已被停用，请联系管理员".to_owned(),
            Self::StorageFull => "手机存储空间已满，请清理后重试".to_owned(),
            Self::Invalid(invalid) => format!("“{}”填写有误：{}", invalid.field, invalid.message),
            Self::NotAllowed(denied) => format!("“{}”只能由以下人员修改：{}", denied.path, denied.who_may),
            Self::NotFound => "这部手机上没有找到，请同步后重试".to_owned(),
            Self::NeedsNewerApp => "需要更新应用版本".to_owned(),
            Self::Closed => "数据库已关闭，请先重新打开".to_owned(),
            Self::NotEnrolled => "这部手机尚未注册，请先输入注册码".to_owned(),
            Self::MadeByNewerVersion => "此内容由更新版本的应用创建，请更新应用后再修改".to_owned(),
            Self::Damaged(what) => format!("数据库已损坏（{what}）；请关闭后重新打开以抢救数据"),
            Self::Cancelled => "操作已取消，已记录的内容没有丢失".to_owned(),
            Self::Internal(what) => format!("内部错误：{what}"),
        }
    }
}
