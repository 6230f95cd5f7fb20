"""A model runtime with nothing but grpcio and the code that protoc made of usage.proto.

It generates up to WANTED tokens, no token without a granted one, and prints as JSON what it generated. However its streams end, broken off, drained or
killed, it resumes on another and says again what is not acknowledged. Usage: python_runtime.py ADDRESS SUBSCRIPTION GENERATION WANTED
The environment's BILLING_API_KEY is sent, where it is set: a key of the scope runtime. BREAK_AFTER makes it break off its first stream by itself, after
so many tokens and without reading the answers; PACE is how long it takes for 32 tokens, in seconds.
"""
import json
import os
import queue
import random
import sys
import threading
import time

import grpc
import usage_pb2 as usage
import usage_pb2_grpc

REPORT, REPEAT, PAUSE_MIN, PAUSE_MAX = 32, 5.0, 0.1, 5.0
KEY = [("authorization", "Bearer " + os.environ["BILLING_API_KEY"])] if os.environ.get("BILLING_API_KEY") else []
PACE, BREAK_AFTER = float(os.environ.get("PACE", "0")), int(os.environ.get("BREAK_AFTER", "0"))
# What passes by itself, or once everything is said again. All else is for whoever runs this.
PASSES = {"store_unavailable", "lookups_too_many", "grant_pending", "generation_unknown", "sequence_gap"}
PASSES_ONCE_GRANTED = {"cap_reached", "subscription_stale", "generations_too_many"}
STAYS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION,
         grpc.StatusCode.UNIMPLEMENTED}


class Generation:
    def __init__(self, subscription, generation, wanted):
        self.start = usage.Start(generation_id=generation, subscription_id=subscription, conversation="chat-1", model="my-model",
                                 prompt=usage.TokenCounts(input=12), asker=random.randrange(1, 1 << 63))
        self.wanted, self.generated, self.sequence = wanted, 0, 0
        self.grants, self.final, self.over, self.finish, self.finished = [], 0, False, False, False
        self.unacknowledged, self.again_at = [], None

    def allowed(self):
        """By the largest grant that has not expired, by a clock that never jumps."""
        now = time.monotonic()
        return max([tokens for tokens, until in self.grants if until > now], default=0)

    def say_all(self, send):
        """On a new stream, or for want of an answer: the same Start, counted, and all that is not acknowledged. Both are recognised as repeats."""
        self.again_at = time.monotonic() + REPEAT
        self.start.attempt += 1
        send(usage.RuntimeFrame(start=usage.Start.FromString(self.start.SerializeToString())))
        for _, frame in self.unacknowledged:
            send(frame)

    def say(self, send, **frame):
        self.unacknowledged.append((self.sequence, usage.RuntimeFrame(**frame)))
        send(self.unacknowledged[-1][1])

    def generate(self, send):
        """A report's worth of what may be generated now; and the end, once nothing can follow."""
        if not self.finish and self.generated < min(self.wanted, self.allowed()):
            time.sleep(PACE)
            self.generated = min(self.generated + REPORT, self.wanted, max(self.allowed(), self.generated))
            self.sequence += 1
            self.say(send, chunk=usage.Chunk(generation_id=self.start.generation_id, sequence=self.sequence, tokens=usage.TokenCounts(output=self.generated)))
        if not self.finish and (self.generated == self.wanted or self.over or self.generated == self.final > 0):
            self.finish = True
            self.sequence += 1
            reason = usage.FINISH_REASON_STOP if self.generated == self.wanted else usage.FINISH_REASON_CAP
            self.say(send, finish=usage.Finish(generation_id=self.start.generation_id, sequence=self.sequence, reason=reason,
                                               totals=usage.TokenCounts(output=self.generated)))
        if time.monotonic() > self.again_at:  # also the word that keeps a lease alive
            self.say_all(send)

    def hear(self, frame):
        kind = frame.WhichOneof("frame")
        if kind == "grant":
            self.grants.append((frame.grant.tokens_allowed, time.monotonic() + frame.grant.valid_for_ms / 1000))
            self.final = frame.grant.tokens_allowed if frame.grant.final else 0
            self.start.resumed = True  # whoever takes over from a lost meter must let it report
        elif kind == "stop" and frame.stop.reason == "grant_expired":
            self.grants, self.final, self.again_at = [], 0, 0
        elif kind == "stop":
            self.over, self.start.resumed = True, True
        elif kind == "ack":
            self.unacknowledged = [u for u in self.unacknowledged if u[0] > frame.ack.sequence]
            self.finished = self.finished or frame.ack.finished
        elif kind == "deny" and (frame.deny.asker, frame.deny.attempt) != (self.start.asker, self.start.attempt) and not self.start.resumed:
            pass  # an earlier Start was denied; the last one is answered yet
        elif kind in ("deny", "rejection"):
            reason = frame.deny.reason if kind == "deny" else frame.rejection.reason
            if reason not in PASSES and not (kind == "deny" and self.start.resumed and reason in PASSES_ONCE_GRANTED):
                sys.exit("refused: %s" % frame)
            self.again_at = min(self.again_at, time.monotonic() + PAUSE_MIN)


def serve(meter, generation, until):
    """One stream, until the generation is acknowledged to its end, the stream is broken, or UNTIL so many tokens: then it is broken off."""
    outgoing, incoming = queue.Queue(), queue.Queue()
    send = lambda frame: outgoing.put(usage.MeterRequest(frames=[frame]))
    answers = meter.Meter(iter(outgoing.get, None), metadata=KEY)

    def listen():
        try:
            for answer in answers:
                for frame in answer.frames:
                    incoming.put(frame)
            incoming.put(None)
        except grpc.RpcError as broken:
            incoming.put(broken)

    threading.Thread(target=listen, daemon=True).start()
    heard = False
    try:
        generation.say_all(send)
        while not generation.finished and not (until and generation.generated >= until):
            try:
                frame = incoming.get(timeout=0 if generation.generated < min(generation.wanted, generation.allowed()) else 0.05)
                if frame is None or isinstance(frame, grpc.RpcError):
                    if frame is not None and frame.code() in STAYS:
                        sys.exit("refused: %s" % frame)
                    return heard
                generation.hear(frame)
                heard = True
            except queue.Empty:
                pass
            generation.generate(send)
        return True
    finally:
        answers.cancel()
        outgoing.put(None)


def main(address, subscription, generation, wanted):
    running = Generation(subscription, generation, int(wanted))
    streams, pause = 0, PAUSE_MIN
    while not running.finished:
        streams += 1
        # A channel of its own, for one whose meter was lost looks for it less and less often.
        with grpc.insecure_channel(address) as channel:
            heard = serve(usage_pb2_grpc.TokenMeterStub(channel), running, BREAK_AFTER if streams == 1 else 0)
        if not running.finished:
            pause = PAUSE_MIN if heard else min(pause * 2, PAUSE_MAX)
            time.sleep(pause)
    print(json.dumps({"generated": running.generated, "streams": streams}))


main(*sys.argv[1:])
