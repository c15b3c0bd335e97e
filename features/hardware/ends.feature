@hardware @use.with_engine=counting @known_defect_by_chance.dropped_request
Feature: Every fault ends, whoever forgets it
  A fault that stays behind is worse than the one that was meant. Each has a time after which it ends by itself, also
  when nobody asks for that, and when the service that was told to inject it is not there any more.

  A worker that gets its last request just before it is separated from the frontend, and cannot call back any more, drops
  it without a word: that is a matter of chance, and told when it is met.

  Rule: A fault ends by itself when its time is over, and all is as before 16 seconds after it began

    @vllm
    Scenario Outline: A fault that nobody takes back ends by itself: <whom> is <what>
      Given a vllm deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When <whom> is <what>, by a fault of 5 seconds under this load
      Then every request is answered as before within 16 seconds
      And no token is lost or repeated

      Examples: faults
        | whom                  | what                        |
        | the GPU of one worker | severely throttled          |
        | one worker            | separated from the frontend |
        | the GPU of one worker | struck by XID 119           |

    @vllm @serial
    Scenario Outline: A fault ends although its injector is killed: <whom> is <what>
      Given a vllm deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When <whom> is <what>, by a fault of 5 seconds whose injector is killed under this load
      Then every request is answered as before within 16 seconds
      And no token is lost or repeated

      Examples: faults
        | whom                  | what                        |
        | the GPU of one worker | severely throttled          |
        | one worker            | separated from the frontend |
        | the GPU of one worker | struck by XID 119           |

  Rule: Faults on two workers of three leave all as before within 20 seconds

    @vllm
    Scenario: A worker that is throttled and another one that is refused at the same time cost nobody a token
      Given a vllm deployment with 3 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When this happens under the load
        | what happens                              | to whom       | when              |
        | severely throttled for 8 seconds          | vllm-worker-0 | after 40 requests |
        | refused by the frontend for 4 seconds     | vllm-worker-1 | at once           |
      Then every request is answered as before within 20 seconds
      And no token is lost or repeated
      And no request hangs

    @vllm
    Scenario: A worker that is refused while another one recovers from a hang costs nobody a token
      Given a vllm deployment with 3 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When this happens under the load
        | what happens                            | to whom       | when              |
        | struck by XID 119 for 4 seconds         | vllm-worker-0 | after 40 requests |
        | refused by the frontend for 4 seconds   | vllm-worker-1 | 4 seconds later   |
      Then every request is answered as before within 15 seconds
      And no token is lost or repeated
      And no request hangs
