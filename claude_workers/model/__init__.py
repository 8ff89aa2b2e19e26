"""The nouns that every floor shares: frozen records without behaviour beyond their own JSON."""

from claude_workers.model.forge import Change as Change
from claude_workers.model.forge import Check as Check
from claude_workers.model.forge import Claim as Claim
from claude_workers.model.forge import Comment as Comment
from claude_workers.model.forge import Issue as Issue
from claude_workers.model.forge import Remark as Remark
from claude_workers.model.forge import Review as Review
from claude_workers.model.record import Json as Json
from claude_workers.model.record import Record as Record
from claude_workers.model.task import SCHEMA as SCHEMA
from claude_workers.model.task import Progress as Progress
from claude_workers.model.task import Receipt as Receipt
from claude_workers.model.task import Repository as Repository
from claude_workers.model.task import Task as Task
from claude_workers.model.task import Verification as Verification
from claude_workers.model.view import Assigned as Assigned
from claude_workers.model.view import Event as Event
from claude_workers.model.view import Evidence as Evidence
from claude_workers.model.view import Fault as Fault
from claude_workers.model.view import Followed as Followed
from claude_workers.model.view import LogEvent as LogEvent
from claude_workers.model.view import Orphan as Orphan
from claude_workers.model.view import Recovered as Recovered
from claude_workers.model.view import Rescue as Rescue
from claude_workers.model.view import Todos as Todos
from claude_workers.model.view import WorkerStatus as WorkerStatus
