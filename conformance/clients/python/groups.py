"""Groups in the Python clients: members that poll in threads of their own, and the commands to them."""

import threading
import time

import driver


class Member:
    """What one member saw. `poll()` gives (partition, offset) of each record that came within 100 ms."""

    def __init__(self, topic):
        self.topic = topic
        self.events, self.records, self.error = [], [], None
        self.lock, self.leaving, self.thread = threading.Lock(), False, None

    def start(self, consumer, poll):
        self.consumer, self.poll = consumer, poll
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.leaving:
            with self.lock:
                try:
                    self.records.extend(self.poll())
                except Exception as error:  # told by `state`
                    self.error = f"{type(error).__name__}: {error}"
                    return
            time.sleep(0.005)  # else a command might wait for the lock for ever

    def leave(self):
        self.leaving = True
        self.thread.join()
        self.consumer.close()

    def saw(self, what, partitions):
        self.events.append([what, sorted(each.partition for each in partitions)])

    def on_partitions_assigned(self, partitions):
        self.saw("assigned", partitions)

    def on_partitions_revoked(self, partitions):
        self.saw("revoked", partitions)

    def on_partitions_lost(self, partitions):
        self.saw("lost", partitions)

    def state(self):
        assigned = sorted(each.partition for each in self.consumer.assignment())
        return {"assigned": assigned, "events": self.events, "records": self.records, "error": self.error}


class Groups:
    """The commands; the client itself has `enter(member, group, …)`, `partition(topic, number)` and `committing(…)`."""

    def __init__(self):
        self.members = {}

    def join(
        self,
        member,
        group,
        topic,
        strategy="range",
        instance=None,
        reset="earliest",
        auto_commit=False,
        session_ms=6000,
    ):
        self.members[member] = entered = Member(topic)
        self.enter(entered, group, strategy, instance, reset, auto_commit, session_ms)

    def state(self, member):
        with self.members[member].lock:
            return self.members[member].state()

    def leave(self, member):
        self.members.pop(member).leave()

    def pause(self, member, partitions):
        self.under_lock(member, "pause", partitions)

    def resume(self, member, partitions):
        self.under_lock(member, "resume", partitions)

    def under_lock(self, name, what, numbers):
        member = self.members[name]
        with member.lock:
            self.hold(member.consumer, what, [self.partition(member.topic, each) for each in numbers])

    def seek(self, member, partition, offset):
        member = self.members[member]
        with member.lock:
            self.move(member.consumer, self.partition(member.topic, partition), offset)

    def commit(self, member, offsets):
        member = self.members[member]
        with member.lock:
            self.commit_offsets(member.consumer, member.topic, offsets)


def unsupported(library, what):
    raise driver.Unsupported(f"{library} has no {what}")
