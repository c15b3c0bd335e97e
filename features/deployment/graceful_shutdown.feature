@deployment
Feature: Workers take their leave without costing anyone an answer
  Operators restart, upgrade and remove workers while people read the answers that these generate. A worker that is
  asked to end hands over nothing half done, and says by how it ends whether all was well.

  A worker ends in two steps: for its grace, 5 seconds unless a scenario says otherwise, it serves on; then it gives up
  what it still has. A backend's own workers do so by themselves, others by the kit that Dynamo has for engines of
  one's own.

  Rule: A worker that is asked to end is sent nothing new from 1 second on, finishes what it has, and ends well within 10 seconds

    Scenario Outline: A worker that <leaves> finishes its answer and ends well
      Given a <backend> deployment with 2 of its own workers that allows no migrations
      And a client that streams 400 tokens
      When the worker that serves the client <leaves> after 50 tokens
      Then within 1 second it is sent nothing new
      And the next 6 good requests are served within 2 seconds each
      And none of them comes to the worker that is to end
      And the client receives each of the 400 tokens exactly once
      And it ends well within 10 seconds
      And no migration is counted

      @vllm
      Examples: vLLM
        | backend | leaves          |
        | vllm    | is asked to end |
        | vllm    | is interrupted  |

      @sglang
      Examples: SGLang
        | backend | leaves          |
        | sglang  | is asked to end |
        | sglang  | is interrupted  |

      @trtllm
      Examples: TensorRT-LLM
        | backend | leaves          |
        | trtllm  | is asked to end |
        | trtllm  | is interrupted  |

    Scenario Outline: A decode worker that is asked to end finishes its answer and ends well
      Given a <backend> deployment with 1 prefill and 2 decode workers of its own that allows no migrations, with 3 seconds of grace
      And a client that streams 250 tokens
      When the worker that serves the client is asked to end after 50 tokens
      Then within 1 second it is sent nothing new
      And the next 6 good requests are served within 2 seconds each
      And none of them comes to the worker that is to end
      And the client receives each of the 250 tokens exactly once
      And it ends well within 10 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: A prefill worker that is asked to end leaves its part to the other one and ends well
      Given a <backend> deployment with 2 prefill and 1 decode workers of its own that allows no migrations, with 3 seconds of grace
      And a client that streams 250 tokens
      When one prefill worker is asked to end while the answer of the client is being generated
      Then within 1 second it is sent nothing new
      And the next 6 good requests are served within 2 seconds each
      And none of them comes to the worker that is to end
      And the client receives each of the 250 tokens exactly once
      And it ends well within 10 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A worker also finishes an answer that outlasts its grace
      Known defect: the backends of Dynamo 1.4.2 give up what they have when their grace is over, although they may drain for 900 seconds.

      Given a <backend> deployment with 2 of its own workers that allows no migrations, with 2 seconds of grace
      And a client that streams 400 tokens
      When the worker that serves the client is asked to end after 50 tokens
      Then within 1 second it is sent nothing new
      And the client receives each of the 400 tokens exactly once

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A worker made with the engine kit also finishes an answer that outlasts its grace
      Known defect: a worker made with the engine kit of Dynamo 1.4.2 ends when its grace is over, whatever it still has.

      Given a <backend> deployment with 2 workers of the engine kit that allows no migrations, with 2 seconds of grace
      And a client that streams 400 tokens
      When the worker that serves the client is asked to end after 50 tokens
      Then within 1 second it is sent nothing new
      And the client receives each of the 400 tokens exactly once

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  Rule: An emulated worker finishes what it has, however long that takes, and ends well within 20 seconds

    Scenario Outline: An emulated worker also finishes a long answer before it ends
      Given a <backend> deployment with 2 emulated workers that allows no migrations
      And a client that streams 800 tokens
      When the worker that serves the client is asked to end after 50 tokens
      Then within 1 second it is sent nothing new
      And the client receives each of the 800 tokens exactly once
      And it ends well within 20 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  Rule: What a worker that is to end cannot finish goes on elsewhere where that is allowed, and ends with a clear error where it is not

    @migration
    Scenario Outline: An answer that outlasts a grace of <seconds> seconds is finished by another worker
      Given a <backend> deployment with 2 of its own workers that allows 3 migrations, with <seconds> seconds of grace
      And a client that streams 400 tokens
      When the worker that serves the client is asked to end after 50 tokens
      Then the client receives each of the 400 tokens exactly once
      And none of its tokens comes more than 2 seconds after the one before
      And exactly 1 migration of a running request is counted
      And it ends within 10 seconds

      @vllm
      Examples: vLLM
        | backend | seconds |
        | vllm    | 0       |
        | vllm    | 2       |

      @sglang
      Examples: SGLang
        | backend | seconds |
        | sglang  | 0       |
        | sglang  | 2       |

      @trtllm
      Examples: TensorRT-LLM
        | backend | seconds |
        | trtllm  | 0       |
        | trtllm  | 2       |

    Scenario Outline: An answer that outlasts the grace of its decode worker is finished by another one
      Given a <backend> deployment with 1 prefill and 2 decode workers of its own that allows 3 migrations, with 2 seconds of grace
      And a client that streams 400 tokens
      When the worker that serves the client is asked to end after 50 tokens
      Then the client receives each of the 400 tokens exactly once
      And none of its tokens comes more than 2 seconds after the one before
      And it ends within 10 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: An answer that outlasts the grace of its worker and may not be moved ends with a clear error
      Given a <backend> deployment with 2 of its own workers that allows no migrations, with 2 seconds of grace
      And a client that streams 400 tokens
      When the worker that serves the client is asked to end after 50 tokens
      Then the client is told of an error within 5 seconds
      And it ends within 10 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: Answers that outlast the grace of a worker made with the engine kit are finished by another one
      Known defect: in Dynamo 1.4.2 some end with an error, or their worker ends by a crash. One answer alone may have
      better luck.

      Given a <backend> deployment with 2 workers of the engine kit that allows 3 migrations, with 2 seconds of grace
      And 20 clients that each stream 400 tokens
      When the worker of some of them is asked to end after 50 tokens
      Then within 1 second it is sent nothing new
      And each of them receives each of the 400 tokens and the worker ends well within 10 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: Answers for which an emulated worker has no time left are not passed off as whole
      Known defect: in Dynamo 1.4.2 clients are told that their answers are complete when about a third has come.

      Given a <backend> deployment with 2 emulated workers that allows no migrations and drains them for 1 second
      And 8 clients that each stream 800 tokens
      When the worker of some of them is asked to end after 50 tokens
      Then it ends well within 10 seconds
      And each of them that it served is told of an error within 5 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  Rule: A worker whose engine fails for good ends as failed within 5 seconds, and its answers go on elsewhere

    @migration
    Scenario Outline: The answers of a worker that loses its engine are finished by another one
      Given a <backend> deployment with 2 of its own workers that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client loses its engine after 50 tokens
      Then it ends as failed within 5 seconds
      And the client receives each of the 200 tokens exactly once
      And none of its tokens comes more than 2 seconds after the one before
      And exactly 1 migration of a running request is counted

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: Without migrations the answers of a worker that loses its engine end with a clear error
      Given a <backend> deployment with 2 of its own workers that allows no migrations
      And a client that streams 200 tokens
      When the worker that serves the client loses its engine after 50 tokens
      Then the client is told of an error within 5 seconds
      And it ends as failed within 5 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A worker made with the engine kit ends when it loses its engine
      Known defect: in Dynamo 1.4.2 it stays, and stays listed.

      Given a <backend> deployment with 2 workers of the engine kit that allows 3 migrations
      And a client that streams 200 tokens
      When the worker that serves the client loses its engine after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And it ends as failed within 5 seconds

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |
