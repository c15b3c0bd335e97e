@deployment
Feature: A deployment under load survives the loss of workers
  Many people ask at the same time, and machines die under them. Whoever signs an upgrade wants to see that
  nobody's answer suffers, how long it takes until all is as before, and that nothing piles up.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: What runs on a worker that dies is answered in full by another one, and all is as before within 15 seconds

    Scenario Outline: A worker that is killed under load costs running requests nothing
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is killed under this load
      Then every request is answered as before within 15 seconds
      And every request that was being answered when it happened is answered in full
      And no token is lost or repeated
      And at least 1 running request is moved to another worker
      And no request hangs
      And what Dynamo counts is what the clients saw
      And nothing piles up in the deployment

      @vllm @smoke
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

    @migration
    Scenario Outline: Where workers die a moment apart all is as before, and no answer is wrong
      An answer that is moved to a worker which dies as well may end with an error: a known defect, which stands where many
      answers are moved.

      Given a <backend> deployment with 3 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When this happens under the load
        | what happens | to whom    | when              |
        | killed       | one worker | after 40 requests |
        | killed       | one worker | 0.3 seconds later |
      Then every request is answered as before within 15 seconds
      And no token is lost or repeated
      And no request hangs

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

    Scenario Outline: Half of the decode workers killed under load cost running requests nothing
      Given a <backend> deployment with 1 prefill and 2 decode workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When half of the decode workers are killed under this load
      Then every request is answered as before within 15 seconds
      And every request that was being answered when it happened is answered in full
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

    @known_defect
    Scenario Outline: Requests that come while a worker is missing are answered by the others
      Known defect: Dynamo 1.4.2 goes on sending requests to a killed worker until its lease ends, and answers them with an error.

      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is killed under this load
      Then no token is lost or repeated
      And no request hangs
      And every request is answered in full

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

  Rule: Where every worker is lost, clients hear of it within 12 seconds, and are served again within 20 seconds

    Scenario Outline: Clients of workers that are all killed at once are told, and served by those started again
      Given a <backend> deployment with 2 workers that allows 3 migrations, where what ends is started again
      And 20 requests a second for 50 tokens each
      When every worker is killed under this load
      Then every request is answered as before within 20 seconds
      And every client hears within 12 seconds what becomes of its request

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
  Rule: A frontend that is lost leaves nobody waiting, and serves again within 10 seconds

    Scenario Outline: A killed frontend leaves no client waiting
      Given a <backend> deployment with 2 workers that allows 3 migrations, where what ends is started again
      And 20 requests a second for 50 tokens each
      When the frontend is killed under this load
      Then every request is answered as before within 10 seconds
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

  Rule: A worker that freezes costs no client its answer, and keeps none waiting for 10 seconds

    Scenario Outline: A worker frozen for 5 seconds makes answers late and loses none
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is frozen for 5 seconds under this load
      Then every request is answered as before within 15 seconds
      And every request is answered in full
      And no token is lost or repeated
      And nothing piles up in the deployment

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
    Scenario Outline: A worker frozen for a minute leaves nobody waiting
      Known defect: in Dynamo 1.4.2 an answer that a frozen worker has begun waits until it goes on, and is not moved.

      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When one worker is frozen for 60 seconds under this load
      Then no token is lost or repeated
      And every client hears within 10 seconds what becomes of its request

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
    Scenario Outline: A frozen worker leaves nobody waiting, also where every worker is tested each second
      Known defect: the tests of Dynamo 1.4.2 run inside the worker and freeze with it: an answer that it has begun waits until it goes on.

      Given a <backend> deployment with 2 workers that allows 3 migrations, where workers are tested each second
      And 20 requests a second for 50 tokens each
      When one worker is frozen for 20 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated
      And every client hears within 10 seconds what becomes of its request

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
