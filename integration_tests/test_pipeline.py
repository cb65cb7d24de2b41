import threading
import time

import pytest

from integration_tests.agents._pipeline import Pipeline


def echo(link):
    while True:
        link.deliver(link.order())


def failing(link):
    link.order()
    raise ZeroDivisionError("no more")


def hold(link):
    """Delivers nothing."""
    while True:
        link.order()


def run(producers, consume, **settings):
    with Pipeline(producers, size=1, **settings) as pipeline:
        consume(pipeline)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_products_answer_orders_one_by_one_in_the_order_of_the_producers():
    def slowly(link):
        while True:
            order = link.order()
            time.sleep(0.02)
            link.deliver(-order)

    with Pipeline([slowly, echo], size=2) as pipeline:
        pipeline.publish(1)
        pipeline.publish(2)
        assert pipeline.take() == [-1, 1]
        pipeline.publish(3)
        assert [pipeline.take(), pipeline.take()] == [[-2, 2], [-3, 3]]


def test_queues_are_bounded():
    delivered = []

    def eager(link):
        while True:
            link.deliver(0)
            delivered.append(0)

    with Pipeline([eager], size=3) as pipeline:
        time.sleep(0.2)
        assert len(delivered) == 3
        pipeline.take()
        time.sleep(0.2)
        assert len(delivered) == 4


def test_an_error_of_a_producer_ends_all_and_is_passed_on():
    def consume(pipeline):
        pipeline.publish(1)
        pipeline.take()
        raise AssertionError("nothing can be taken")

    with pytest.raises(ZeroDivisionError, match="no more") as raised:
        run([echo, failing], consume)
    assert raised.value.__notes__ == ["Raised in producer 1 of a pipeline."]


def test_an_error_of_a_producer_ends_one_who_waits_for_room():
    def consume(pipeline):
        for _ in range(3):
            pipeline.publish(1)
        raise AssertionError("there is room for one order only")

    with pytest.raises(ZeroDivisionError):
        run([hold, failing], consume)


def fail_meanwhile(pipeline):
    pipeline.publish(1)
    time.sleep(0.1)


def test_an_error_that_nobody_waited_for_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        run([failing], fail_meanwhile)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_consumer_ends_all(error):
    def consume(pipeline):
        pipeline.publish(1)
        raise error

    with pytest.raises(error):
        run([echo, hold], consume)


def test_the_consumers_error_comes_first():
    def consume(pipeline):
        fail_meanwhile(pipeline)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run([failing], consume)


def test_a_producer_that_hangs_is_reported():
    release = threading.Event()
    with pytest.raises(RuntimeError, match=r"producer 1 did not end within 0.1 s after the stop"):
        run([echo, lambda link: release.wait()], lambda pipeline: None, patience=0.1)
    release.set()
    time.sleep(0.1)
