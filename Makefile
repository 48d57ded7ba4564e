# The everyday commands; `make` lists them.
.DEFAULT_GOAL := help
# the longest first: two run at a time, and one that begins late runs alone
LONGEST := molecule/apps molecule/hardened molecule/selfservice
SCENARIOS := $(LONGEST) $(filter-out $(LONGEST),$(patsubst %/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
SUITES := lint unit http http-alone kinds apps browser command docs
.PHONY: help check docs demo demo-stop demo-info lint unit http command apps kinds browser molecule fresh test test-fast bench clean $(SCENARIOS)

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

.venv/run: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.txt
	@touch $@

.venv/test: tests/requirements.txt .venv/run
	$(BIN)/pip install --quiet --requirement tests/requirements.txt
	$(BIN)/python tests/docker/collections
	@touch $@

.venv-docs/done: docs/requirements.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --requirement docs/requirements.txt
	@touch $@

docs: .venv-docs/done ## the documentation site, in .build/site; a broken link is an error
	tests/suite docs docs/site/build

demo: .venv/run ## start a gateway with two visdom servers on http://127.0.0.1:8080
	ansible-playbook playbooks/site.yml -i inventories/demo
	python demo/demo.py start

demo-stop: ## end what demo started
	python demo/demo.py stop
	.demo/gateway/usr/local/lib/vizgate/bin/vizgate-rootless stop

demo-info: ## print the demo's addresses and logins as JSON
	@python demo/demo.py info

check: lint unit ## what to run before a commit

lint: .venv/test ## all static checks
	tests/suite lint tests/lint

unit: .venv/test ## the core, without a server
	tests/suite unit pytest tests/unit --numprocesses 2

http: .venv/test ## the real nginx on loopback
	@# twice the processors, as half of the time is waiting
	tests/suite http pytest tests/http --numprocesses 4 --dist loadfile -m "not alone"; code=$$?; \
	tests/suite http-alone pytest tests/http -m alone && exit $$code

command: .venv/test ## the command vizgate, by script and in a terminal
	tests/suite command pytest tests/command

apps: .venv/test ## apps with real git, uv, gunicorn, nginx and a browser
	tests/suite apps pytest tests/apps

kinds: .venv/test ## real tools behind the gateway
	tests/suite kinds pytest tests/kinds

browser: .venv/test demo ## a real browser on the demo
	tests/suite browser pytest tests/browser

molecule: .venv/test ## Debian 12 and 13 in containers, two scenarios at a time
	tests/packages
	tests/docker/engine
	tests/docker/images
	$(MAKE) --jobs 2 --keep-going $(SCENARIOS) $(JOBS)

$(SCENARIOS): molecule/%: .venv/test # one of them: make molecule/default
	MOLECULE_COMMAND_BORDERS=false tests/suite --quiet molecule-$* molecule test --scenario-name $*

fresh: .venv/test ## README's commands on bare machines, in containers
	tests/docker/engine
	tests/docker/images
	tests/suite fresh pytest tests/fresh

# a suite that fails keeps no other from being run; the summary fails for it
test-fast: ## everything that needs no container
	tests/suite --begin
	tests/packages
	-$(MAKE) --keep-going lint unit http
	-$(MAKE) --keep-going --jobs 2 --output-sync=target kinds docs browser command apps
	-$(MAKE) demo-stop
	tests/suite --summary $(SUITES)

test: ## everything
	-$(MAKE) test-fast
	-$(MAKE) molecule JOBS=fresh
	tests/suite --summary $(SUITES) fresh $(subst /,-,$(SCENARIOS))

bench: .venv/test ## the figures of docs/figures.md; PARTS="add load crowd" for some
	tests/docker/engine
	tests/docker/images
	python tests/bench/bench.py $(PARTS)

clean: ## remove what the commands above made
	-test -x $(BIN)/python && $(MAKE) demo-stop
	-tests/docker/clean
	rm -rf .venv .venv-docs .build .demo
