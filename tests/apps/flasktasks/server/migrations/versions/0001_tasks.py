"""Tasks, and states that addresses restore."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "task", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(200), nullable=False)
    )
    op.create_table(
        "view",
        sa.Column("token", sa.String(36), primary_key=True),
        sa.Column("model", sa.String(50), nullable=False),
        sa.Column("ratio", sa.Integer, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("view")
    op.drop_table("task")
