@hardware @use.with_engine=counting
Feature: Dynamo outlives what the errors of a GPU do to its workers
  NVIDIA's driver reports each error of a GPU by a number, its XID, in the kernel's log, where monitors look for it. What
  the error does to the program on that GPU depends on the number: mostly it dies, and sometimes it hangs. The injection
  service writes the line, and does to the worker what the error would, when it is asked for that.

  Rule: The line of an XID is read by GPU monitors, and by itself harms no answer

    @vllm
    Scenario Outline: A report of XID <code> is read, and harms no answer
      Given a vllm deployment with 2 workers that allows 3 migrations
      And a GPU monitor that reads the kernel's log
      And a client that streams 200 tokens
      When the GPU of one worker is reported with XID <code>
      Then the GPU monitor reads XID <code>
      And the client receives each of the 200 tokens exactly once

      Examples: codes
        | code |
        | 43   |
        | 48   |
        | 74   |
        | 79   |
        | 94   |
        | 95   |
        | 119  |
        | 120  |

  Rule: What runs on a worker that dies of its GPU is answered in full by another one, and all is as before in 15 seconds

    Scenario Outline: A worker that dies of XID <code> costs running requests nothing
      Given a <backend> deployment with 2 workers that allows 3 migrations, where what ends is started again
      And 20 requests a second for 50 tokens each
      When the GPU of one worker is struck by XID <code> for 2 seconds under this load
      Then every request is answered as before within 15 seconds
      And every request that was being answered when it happened is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend | code |
        | vllm    | 43   |
        | vllm    | 48   |
        | vllm    | 74   |
        | vllm    | 79   |
        | vllm    | 94   |
        | vllm    | 95   |

      @sglang
      Examples: SGLang
        | backend | code |
        | sglang  | 79   |

      @trtllm
      Examples: TensorRT-LLM
        | backend | code |
        | trtllm  | 79   |

  Rule: What waits on a worker that hangs goes on with it, and 16 seconds after it began all is as before

    @vllm
    Scenario Outline: A worker that hangs because of XID <code> goes on with its answers
      Given a vllm deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When the GPU of one worker is struck by XID <code> for 6 seconds under this load
      Then every request is answered as before within 16 seconds
      And every request is answered in full
      And no token is lost or repeated

      Examples: codes
        | code |
        | 119  |
        | 120  |
