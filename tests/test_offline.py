import socket
import subprocess
import sys

import pytest
from offline import OutsideConnection


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_connection_beyond_this_machine_is_refused(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_STREAM) as outward,
        pytest.raises(OutsideConnection, match=f"got a connection to {address}"),
    ):
        outward.connect((address, 80))


def test_a_name_beyond_this_machine_is_not_even_looked_up():
    with pytest.raises(OutsideConnection, match="got a connection to example.org"):
        socket.create_connection(("example.org", 80))


def test_this_machine_may_talk_to_itself():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as there:
            here, _ = server.accept()
            with here:
                there.sendall(b"beat")
                assert here.recv(4) == b"beat"


def test_processes_that_tests_start_are_offline_too():
    command = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    ended = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert "OutsideConnection: tests must stay on this machine" in ended.stderr
