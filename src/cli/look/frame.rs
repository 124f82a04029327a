//! The frame of the commands that look into a store: without a word they list, and `show` tells all about one.

use clap::{Args, Subcommand};

/// What was asked for: an action, or the listing that stands for none.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Looking<List: Args, Action: Subcommand> {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

impl<List: Args, Action: Subcommand + From<List>> Looking<List, Action> {
    /// The action; listing, when none was named.
    pub(in crate::cli) fn action(self) -> Action {
        self.action.unwrap_or_else(|| self.list.into())
    }
}

/// The actions that every such command has. What `Show` shows is told by its own doc comment.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ListOrShow<List: Args, Show: Args> {
    /// Lists them, newest first; the same as without `list`
    List(List),
    Show(Show),
}

impl<List: Args, Show: Args> From<List> for ListOrShow<List, Show> {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}
