"""A model runtime with nothing but grpcio and the code that protoc made of usage.proto.

It generates up to WANTED tokens, no token without a granted one, breaks its stream off in the middle without reading the answers, resumes on
another, and prints as JSON what it generated. Usage: python_runtime.py ADDRESS SUBSCRIPTION GENERATION WANTED
The environment's BILLING_API_KEY is sent, where it is set: a key of the scope runtime.
"""
import json
import os
import queue
import sys

import grpc
import usage_pb2 as usage
import usage_pb2_grpc

REPORT = 32
KEY = [("authorization", "Bearer " + os.environ["BILLING_API_KEY"])] if os.environ.get("BILLING_API_KEY") else []


class Generation:
    def __init__(self, subscription, generation, wanted):
        self.start = usage.Start(generation_id=generation, subscription_id=subscription, conversation="chat-1", model="my-model",
                                 prompt=usage.TokenCounts(input=12))
        self.wanted, self.generated, self.allowed, self.sequence = wanted, 0, 0, 0
        self.final = self.done = self.finished = False
        self.unacknowledged = []

    def say(self, send, **frame):
        self.unacknowledged.append((self.sequence, usage.RuntimeFrame(**frame)))
        send(self.unacknowledged[-1][1])

    def generate(self, send):
        """Everything that may be generated now, reported; and the end, once nothing can follow."""
        while not self.done and self.generated < min(self.wanted, self.allowed):
            self.generated = min(self.generated + REPORT, self.wanted, self.allowed)
            self.sequence += 1
            self.say(send, chunk=usage.Chunk(generation_id=self.start.generation_id, sequence=self.sequence, tokens=usage.TokenCounts(output=self.generated)))
        if not self.done and (self.generated == self.wanted or self.final):
            self.done = True
            self.sequence += 1
            reason = usage.FINISH_REASON_STOP if self.generated == self.wanted else usage.FINISH_REASON_CAP
            self.say(send, finish=usage.Finish(generation_id=self.start.generation_id, sequence=self.sequence, reason=reason,
                                               totals=usage.TokenCounts(output=self.generated)))

    def hear(self, frame):
        kind = frame.WhichOneof("frame")
        if kind == "grant":
            self.allowed, self.final = max(self.allowed, frame.grant.tokens_allowed), self.final or frame.grant.final
        elif kind == "stop":
            self.final = True
        elif kind == "ack":
            self.unacknowledged = [u for u in self.unacknowledged if u[0] > frame.ack.sequence]
            self.finished = self.finished or frame.ack.finished
        else:
            sys.exit("refused: %s" % frame)


def serve(meter, generation, until=None):
    """One stream, until the generation is acknowledged to its end, or UNTIL so many tokens: then the stream is broken off."""
    frames = queue.Queue()
    send = lambda frame: frames.put(usage.MeterRequest(frames=[frame]))
    send(usage.RuntimeFrame(start=generation.start))
    for _, frame in generation.unacknowledged:
        send(frame)
    answers = meter.Meter(iter(frames.get, None), metadata=KEY)
    for answer in answers:
        for frame in answer.frames:
            generation.hear(frame)
        generation.generate(send)
        if generation.finished or (until is not None and generation.generated >= until):
            break
    answers.cancel()
    frames.put(None)


def main(address, subscription, generation, wanted):
    running = Generation(subscription, generation, int(wanted))
    streams = 0
    with grpc.insecure_channel(address) as channel:
        meter = usage_pb2_grpc.TokenMeterStub(channel)
        while not running.finished:
            streams += 1
            serve(meter, running, until=running.wanted // 20 if streams == 1 else None)
    print(json.dumps({"generated": running.generated, "streams": streams}))


main(*sys.argv[1:])
