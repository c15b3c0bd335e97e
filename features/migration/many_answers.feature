@migration @use.with_engine=counting
Feature: Many answers survive as one does
  A worker serves many people at once. When it dies, all of their answers are moved at the same moment, and those who are
  served elsewhere must not notice.

  Under load, with times, the same stands in the features of whole deployments.

  Rule: Each answer of a worker that dies is completed word for word and counted once, and the others are left alone

    Scenario Outline: All answers of a worker that dies are completed
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 clients that each stream 200 tokens
      When the worker of some of them is killed after 20 tokens
      Then each of them receives each of the 200 tokens exactly once
      And as many migrations are counted as answers ran on it

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
    Scenario Outline: An answer is completed where requests are spread by memory, too
      Known defect: the router by memory of Dynamo 1.4.2 refuses to move a request that it knows ("already exists"): the client
      is told of an internal error, whatever number of migrations is allowed.

      Given a <backend> deployment with 2 workers that get requests by memory
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once

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
    Scenario Outline: Answers that are moved to a worker which has just died are moved once more over TCP
      Known defect: Dynamo 1.4.2 gives a running answer up when the worker that it is moved to refuses the connection, and tells
      the client of an internal error, whatever number of migrations is allowed.

      Given a <backend> deployment with 2 workers that allows 3 migrations, over TCP
      And 16 clients that each stream 1000 tokens
      When a worker that joins is killed, and then the worker of some of them after 20 tokens
      Then each of them receives each of the 1000 tokens exactly once

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

    Scenario Outline: All answers are completed where workers are tested each second, too
      Given a <backend> deployment with 2 workers that allows 3 migrations, where workers are tested each second
      And 20 clients that each stream 200 tokens
      When the worker of some of them is killed after 20 tokens
      Then each of them receives each of the 200 tokens exactly once
      And as many migrations are counted as answers ran on it

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

  Rule: Workers get the requests that are sent, and no others

    Scenario Outline: Workers that nobody tests get exactly the requests of clients
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 clients that each stream 5 tokens
      When a client sends a good request under a name of its own
      Then each of them receives each of the 5 tokens exactly once
      And the workers have received exactly 21 requests

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
