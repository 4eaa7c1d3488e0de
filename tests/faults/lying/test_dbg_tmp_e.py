import sys, os
from test_shared_folder import *
from test_shared_folder import make_user, alice, bob, start
def test_dbg(mount, alice, start):
    lying = mount()
    lying.inject(hang=True, path="leases*")
    process = start(alice, lying.path, range(5), deadline_s=0.2, patience_s=1)
    (told,) = finish(process, within_s=20)
    print(told, lying.counts(), lying.operations())
def test_dbg2(mount, alice, start, tmp_path):
    lie={"error": "EBUSY", "operation": "*", "probability": 0.02}
    views = [mount()]
    views.append(mount(views[0].backing))
    for view in views:
        view.inject(**lie)
    log = str(tmp_path / "log")
    processes = [
        start(alice, view.path, range(6), build_s=0.05, log=log) for view in views * 2
    ]
    import threading
    def watch():
        for i in range(40):
            time.sleep(1)
            print(i, os.listdir(views[0].backing+"/leases") if os.path.isdir(views[0].backing+"/leases") else None, os.listdir(views[0].backing+"/tables") if os.path.isdir(views[0].backing+"/tables") else None, flush=True)
    threading.Thread(target=watch, daemon=True).start()
    told = finish(*processes, within_s=20 * WAIT_S)
    print(told, counted(log))
