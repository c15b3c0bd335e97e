@deployment
Feature: Frontends come and go without costing anyone an answer
  Everybody reaches Dynamo through a frontend. It is restarted, replaced and lost like anything else; whoever has been
  let in keeps the answer, and nobody waits for one that cannot come.

  A frontend that is to end gives the answers that it has begun 5 seconds, unless a scenario says otherwise.

  Rule: A frontend that is asked to end says so, lets nobody in, finishes what it has, and ends well within 10 seconds

    @cancellation
    Scenario Outline: A frontend that <leaves> finishes its answers, lets nobody in, and ends well
      Given a <backend> deployment with 2 workers that allows no migrations
      And a client that streams 200 tokens
      And a neighbour that awaits 200 tokens
      When the frontend <leaves> after 50 tokens of every stream
      Then it says that it is not ready
      And a good request is refused as not ready within 1 second
      And the client receives each of the 200 tokens exactly once
      And the neighbour receives each of the 200 tokens exactly once
      And it ends well within 10 seconds

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

    @known_defect
    Scenario Outline: A frontend that is asked to end says that it lives while its answers go on
      Known defect: in Dynamo 1.4.2 it says at once that it does not live, so that it may be ended before its answers are.

      Given a <backend> deployment with 2 workers that allows no migrations
      And a client that streams 200 tokens
      When the frontend is asked to end after 50 tokens of every stream
      Then it says that it is not ready
      And it says that it lives

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

    Scenario Outline: Two frontends of which one is asked to end cost no answer
      Given a <backend> deployment with 2 frontends and 2 workers
      And 20 requests a second for 50 tokens each
      When one frontend is asked to end under this load
      Then every request to the other frontend is answered in full
      And every answer that has begun is given in full
      And no token is lost or repeated
      And every client hears within 5 seconds what becomes of its request

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

  Rule: A frontend gives its answers no longer than it was told, and ends well at most 3 seconds after that

    @known_defect
    Scenario Outline: A frontend does not wait longer for an answer than it was told to
      Known defect: in Dynamo 1.4.2 it waits for as long as the answer takes, and is out of reach after the 2 seconds.

      Given a <backend> deployment with 2 workers whose frontend gives its answers 2 seconds
      And a client that streams 800 tokens
      When the frontend is asked to end after 50 tokens of every stream
      Then it says that it is not ready
      And it ends well within 5 seconds

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

  Rule: Nobody notices the loss of a frontend but its own clients, and these hear of it within 2 seconds

    Scenario Outline: Two frontends of which one is killed leave the clients of the other undisturbed
      Given a <backend> deployment with 2 frontends and 2 workers
      And 20 requests a second for 50 tokens each
      When one frontend is killed under this load
      Then every request to the other frontend is answered in full
      And no token is lost or repeated
      And every client hears within 2 seconds what becomes of its request

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

    @cancellation
    Scenario Outline: Workers stop generating for the clients of a killed frontend, and serve those of the next one
      Given a <backend> deployment with 1 worker that serves 2 requests at a time, where what ends is started again
      And a client that streams 2000 tokens
      And a neighbour that streams 2000 tokens
      When the frontend is killed after 50 tokens of every stream
      Then every client hears within 2 seconds that its answer has come to an end
      And its workers are free within 2 seconds
      And the frontend serves again within 10 seconds
      And the next 2 good requests are served within 2 seconds each

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

  @serial
  Rule: A frontend that was away serves again within 10 seconds

    Scenario Outline: A frontend that is away for 3 seconds answers everybody again within 10 seconds of leaving
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When the frontend is away for 3 seconds under this load
      Then every request is answered as before within 10 seconds
      And every answer that has begun is given in full
      And every client hears within 5 seconds what becomes of its request
      And no token is lost or repeated

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
