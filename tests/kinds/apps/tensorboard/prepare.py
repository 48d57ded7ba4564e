"""Writes a run with one curve, as a training would, into runs/."""

from __future__ import annotations

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

writer = EventFileWriter("runs/first")
for step in range(50):
    value = Summary.Value(tag="loss", simple_value=1 / (1 + step))
    writer.add_event(Event(step=step, wall_time=float(step), summary=Summary(value=[value])))
writer.close()
