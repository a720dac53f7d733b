"""
The main job on real input: a worker that is killed half-way, and the proof that nothing was lost.

`azoth-scheduler demo` runs it; `worker` is the process that is killed, `stage` the one that does
it, and `proof` reads the log afterwards and says what holds.
"""
