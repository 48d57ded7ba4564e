"""Apps of one user do not block those of others: an unresponsive repository, an endless response, a damaged record."""

from __future__ import annotations


def test_bobs_release_did_not_wait(kept, release, visitor):
    assert kept("hole")["changed"], "bob's release waited for alice's repository"
    assert [step["app"] for step in kept("delays")["plan"]] == ["bob/b3"]
    assert visitor("bob").get("/bob/b3/").status_code == 200


def test_step_under_way_keeps_its_limits_when_systemd_is_reloaded(kept):
    assert kept("hole")["unit"] == ["RuntimeMaxUSec=15min", "User=alice"]


def test_each_problem_is_reported(kept):
    problems = [problem.partition("\n")[0].partition("; in ")[0] for problem in kept("delays")["problems"]]
    assert problems[0] == "app alice/a5: step fetch: exit code 128"
    assert problems[1].startswith("app carol/c1: step health: GET /carol/c1/healthz did not succeed within 15 s")
    assert problems[2].startswith("app carol/c2: /var/lib/vizgate/apps/carol/c2.json is damaged (")
    assert len(problems) == 3


def test_health_check_ended_in_time(kept):
    (problem,) = [problem for problem in kept("delays")["problems"] if "step health" in problem]
    assert "last result: no answer within 5 s" in problem
